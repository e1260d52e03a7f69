/** The report in short, as Markdown for the summary of a CI job: gates with their thresholds, figures, and the difference to a baseline. */
import * as Sanitize from "@trainyard/core/Sanitize"
import * as Baseline from "./Baseline.ts"
import { baselineName, figure, percent, withInterval, yardstickName } from "./gates.ts"
import { table } from "./markdown.ts"
import type { ReportValue } from "./Report.ts"

/** A report, and the baseline that it was compared with. */
export interface Options {
  /** Name of the stage that made it. */
  readonly stage: string
  readonly report: ReportValue
  readonly compared?: { readonly baseline: Baseline.Baseline; readonly difference: Baseline.Difference }
}

const relations = { "at-least": "at least", "at-most": "at most" } as const

const gateRows = (report: ReportValue) =>
  report.gates.map(({ gate, passed, relation, threshold, value, why }) => [
    gate,
    value === null ? why : figure(value),
    `${relations[relation]} ${figure(threshold)}`,
    passed ? "passed" : "**failed**"
  ])

const signed = (value: number, text: (value: number) => string): string =>
  `${value < 0 ? "−" : "+"}${text(Math.abs(value))}`

type Row = readonly [name: string, shown: string, value: number, before: number | null | undefined]

/** What both a report and a baseline have, and what only the report has. */
const figureRows = (report: ReportValue, baseline?: Baseline.Baseline): ReadonlyArray<Row> => [
  [
    "bits per byte",
    withInterval(report.bitsPerByte, report.interval, 4),
    report.bitsPerByte,
    baseline?.bitsPerByte
  ],
  ["perplexity", figure(report.perplexity), report.perplexity, baseline?.perplexity],
  ["top-1 accuracy", percent(report.topOneAccuracy), report.topOneAccuracy, baseline?.topOneAccuracy],
  ...(report.parseShare === null
    ? []
    : [["parse share", percent(report.parseShare), report.parseShare, baseline?.parseShare] as const]),
  ...(report.compileShare === null
    ? []
    : [["compile share", percent(report.compileShare), report.compileShare, baseline?.compileShare] as const])
]

const shares = new Set(["top-1 accuracy", "parse share", "compile share"])

const compared = ([name, shown, value, before]: Row): ReadonlyArray<string> => {
  if (before == null) return [name, shown, "–", "–"]
  return shares.has(name)
    ? [
        name,
        shown,
        percent(before),
        signed(100 * (value - before), (points) => `${points.toFixed(1)} points`)
      ]
    : [name, shown, figure(before), signed(value / before - 1, (share) => `${(100 * share).toFixed(2)} %`)]
}

const figureTable = (report: ReportValue, baseline?: Baseline.Baseline): ReadonlyArray<string> => {
  const rows = figureRows(report, baseline)
  return baseline === undefined
    ? table(
        ["figure", "value"],
        rows.map(([name, shown]) => [name, shown])
      )
    : table(["figure", "value", "baseline", "difference"], rows.map(compared))
}

/** Bits per byte of what the model is compared with on the same documents. */
const otherRows = (report: ReportValue) => [
  ...report.baselines.map(({ bitsPerByte, interval, order }) => [
    baselineName(order),
    withInterval(bitsPerByte, interval, 4)
  ]),
  ...report.yardsticks.map(({ bitsPerByte, interval, name }) => [
    yardstickName(name),
    withInterval(bitsPerByte, interval, 4)
  ])
]

export const stepSummary = ({ compared, report, stage }: Options): string => {
  const failed = report.gates.filter(({ passed }) => !passed).length
  const passes = failed === 0 && compared?.difference.worse !== true
  const others = otherRows(report)
  const lines = [
    `## Validation ${passes ? "passed" : "failed"}: ${stage}`,
    "",
    ...(report.gates.length === 0
      ? ["No gate was asked for."]
      : [
          `Passed: ${report.gates.length - failed} of ${report.gates.length} gates.`,
          "",
          ...table(["gate", "value", "asked for", "result"], gateRows(report))
        ]),
    "",
    ...(compared === undefined ? [] : [`${Baseline.sentence(compared.difference)}`, ""]),
    ...figureTable(report, compared?.baseline),
    "",
    `Measured on ${report.documents.toLocaleString("en")} documents of the ${report.split} split (${report.tokens.toLocaleString("en")} tokens).`,
    ...(others.length === 0 ? [] : ["", ...table(["for comparison", "bits per byte"], others)])
  ]
  return `${Sanitize.text(lines.join("\n"))}\n`
}
