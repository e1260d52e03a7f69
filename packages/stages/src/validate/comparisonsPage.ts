/** The parts of the report's page on yardsticks, adaptive prediction and lexical elements. */
import { count } from "../train/figures.ts"
import { commandOf } from "./Compressor.ts"
import { percent, withInterval, yardstickName } from "./gates.ts"
import { table } from "./markdown.ts"
import { ppmdOrder } from "./ppmdBits.ts"
import type { ReportValue } from "./Report.ts"

const orDash = (value: number | null): string => (value === null ? "–" : value.toFixed(3))

const betterOf = (better: number | null, documents: number): string =>
  better === null ? "–" : `${better} of ${documents}`

/** What was asked for and not measured, one item each. */
const missing = ({ notMeasured }: ReportValue): ReadonlyArray<string> =>
  notMeasured.map(({ name, why }) => {
    const title =
      name === "adaptive"
        ? "Adaptive prediction"
        : name === "lexical"
          ? "Kinds of lexical elements"
          : yardstickName(name)
    return `- ${title}: not measured: ${why}.`
  })

/** @param seconds that measuring each took, by name */
export const yardstickSection = (
  report: ReportValue,
  seconds: ReadonlyMap<string, number>
): ReadonlyArray<string> => {
  if (report.yardsticks.length === 0 && report.notMeasured.length === 0) return []
  const rows = [
    ["model", withInterval(report.bitsPerByte, report.interval, 3), orDash(report.median), "", "", ""],
    ...report.yardsticks.map((each) => [
      yardstickName(each.name),
      withInterval(each.bitsPerByte, each.interval, 3),
      orDash(each.median),
      withInterval(each.ratio.value, each.ratio.interval, 3),
      betterOf(each.modelBetter, report.countedDocuments),
      `${(seconds.get(each.name) ?? 0).toFixed(1)} s`
    ])
  ]
  return [
    "### Yardsticks",
    "",
    ...table(
      ["", "bits per byte (95 %)", "median document", "model / this (95 %)", "model better in", "time"],
      rows
    ),
    "",
    ...(report.notMeasured.length === 0 ? [] : [...missing(report), ""])
  ]
}

export const adaptiveSection = (
  { adaptive, countedDocuments }: ReportValue,
  seconds: ReadonlyMap<string, number>
): ReadonlyArray<string> =>
  adaptive === null
    ? []
    : [
        "### Adaptive prediction",
        "",
        `${withInterval(adaptive.bitsPerByte, adaptive.interval, 3)} bits per byte, median document ${orDash(adaptive.median)}: the model, the training text's n-grams and what the document so far contains, mixed with weights that were fitted to ${count(adaptive.fittedDocuments)} documents (${count(adaptive.fittedTokens)} tokens) of the validation split and adapt within each document at rate ${adaptive.rate}. It took ${(seconds.get("adaptive") ?? 0).toFixed(1)} s. No other figure on this page contains it.`,
        "",
        ...table(
          ["against", "adaptive / this (95 %)", "adaptive better in"],
          adaptive.against.map(({ better, name, ratio }) => [
            yardstickName(name),
            withInterval(ratio.value, ratio.interval, 3),
            betterOf(better, countedDocuments)
          ])
        ),
        ""
      ]

export const lexicalSection = ({ lexical }: ReportValue): ReadonlyArray<string> => {
  const first = lexical[0]
  if (first === undefined) return []
  const predictors = Object.keys(first.bitsPerByte)
  return [
    "### By kind of lexical element",
    "",
    ...table(
      ["kind", "share of bytes", ...predictors],
      lexical.map(({ bitsPerByte, kind, share }) => [
        kind,
        percent(share),
        ...predictors.map((name) => bitsPerByte[name]!.toFixed(3))
      ])
    ),
    "",
    "Bits per byte. The bits of a token are divided evenly among its bytes, and each byte counts for the element that it belongs to; end tokens are left out.",
    ""
  ]
}

/** How they were measured, as the items of a list. */
export const comparisonMethod = (report: ReportValue): ReadonlyArray<string> => {
  const has = (name: string) => report.yardsticks.some((each) => each.name === name)
  const concatenated = (["xz", "zstd"] as const).filter(has)
  return [
    "- Intervals: the middle 95 % of 1,000 bootstrap samples of the documents. With few documents they are rough.",
    ...(has("ngram-cache")
      ? [
          "- n-gram with a cache: Witten-Bell interpolation of what followed the last 0 to 3 tokens in the document so far, over the Kneser-Ney 5-gram of the training split; its 4 factors are fitted on the validation split."
        ]
      : []),
    ...(has("ppmd")
      ? [
          `- PPMd: variant H, order ${ppmdOrder}, primed with the training split's text, each document on its own: the size of both together, less that of the training text.`
        ]
      : []),
    ...(concatenated.length === 0
      ? []
      : [
          `- ${concatenated.map(commandOf).join(" and ")}: the size of the training text and all documents together, less that of the training text. So a document may also be predicted from the documents before it.`
        ])
  ]
}
