/** The gates as JUnit XML, which build servers read: one test case a gate. */
import * as Sanitize from "@trainyard/core/Sanitize"
import type { Gate, ReportValue } from "./Report.ts"

/** Escapes text for XML 1.0, for elements and attributes. */
export const escapeXml = (text: string): string =>
  [...Sanitize.text(text)]
    .map((character) => {
      const code = character.codePointAt(0)!
      if (character === "&") return "&amp;"
      if (character === "<") return "&lt;"
      if (character === ">") return "&gt;"
      if (character === '"') return "&quot;"
      if (character === "'") return "&apos;"
      // In an attribute these would become spaces.
      if (code === 0x9 || code === 0xa || code === 0xd) return `&#${code};`
      const allowed = (code >= 0x20 && code < 0xd800) || (code >= 0xe000 && code < 0xfffe) || code >= 0x10000
      return allowed ? character : "\uFFFD"
    })
    .join("")

const testCase = (gate: Gate): string => {
  const open = `    <testcase classname="validation" name="${escapeXml(gate.gate)}" time="0"`
  if (gate.passed) return `${open}/>`
  const text = escapeXml(gate.why)
  return `${open}>\n      <failure type="gate" message="${escapeXml(`${gate.gate}: `)}${text}">${text}</failure>\n    </testcase>`
}

/** The report as JUnit XML. `seconds` is the time that validation took. */
export const junit = (report: ReportValue, seconds: number): string => {
  const failures = report.gates.filter((gate) => !gate.passed).length
  const counts = `tests="${report.gates.length}" failures="${failures}" errors="0" skipped="0" time="${seconds.toFixed(3)}"`
  const properties: ReadonlyArray<readonly [string, string | number]> = [
    ["split", report.split],
    ["loss", report.loss],
    ["perplexity", report.perplexity],
    ["bitsPerByte", report.bitsPerByte],
    ["topOneAccuracy", report.topOneAccuracy],
    ...report.baselines.map((each) => [`bitsPerByte.order${each.order}`, each.bitsPerByte] as const),
    ...(report.validation === null
      ? []
      : [["bitsPerByte.validation", report.validation.bitsPerByte] as const]),
    ...(report.interval === null
      ? []
      : ([
          ["bitsPerByte.low", report.interval.low],
          ["bitsPerByte.high", report.interval.high]
        ] as const)),
    ...report.yardsticks.map((each) => [`bitsPerByte.${each.name}`, each.bitsPerByte] as const),
    ...(report.adaptive === null ? [] : [["bitsPerByte.adaptive", report.adaptive.bitsPerByte] as const]),
    ["parseShare", report.parseShare ?? "not measured"],
    ["compileShare", report.compileShare ?? "not measured"],
    ["language", report.language ?? "none"],
    ["compiler", report.compiler],
    ["longestOverlap", report.longestOverlap ?? "not measured"]
  ]
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="trainyard validate" ${counts}>`,
    `  <testsuite name="validation" ${counts}>`,
    "    <properties>",
    ...properties.map(
      ([name, value]) => `      <property name="${escapeXml(name)}" value="${escapeXml(String(value))}"/>`
    ),
    "    </properties>",
    ...report.gates.map(testCase),
    "  </testsuite>",
    "</testsuites>",
    ""
  ].join("\n")
}
