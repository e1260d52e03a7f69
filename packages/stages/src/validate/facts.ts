/** The facts of a report. */
import { named } from "../languages/builtIn.ts"
import { middleFigure } from "./fillInTheMiddleSection.ts"
import { baselineName, figure, percent, withInterval, yardstickName } from "./gates.ts"
import type { ReportValue, SharedWithTraining } from "./Report.ts"

const completionFacts = (report: ReportValue) =>
  report.language === null
    ? [{ label: "Completions", text: `${report.completions.total}, not checked: no language is chosen` }]
    : [
        {
          label: `Parses as ${named(report.language)?.title ?? report.language}`,
          text:
            report.parseShare === null
              ? "no completions"
              : `${report.completions.parses} of ${report.completions.total}`
        },
        report.compileShare === null
          ? { label: "Compiles", text: `not measured: ${report.compiler}` }
          : { label: `Compiles (${report.compiler})`, text: percent(report.compileShare) },
        ...(report.guided === null
          ? []
          : [
              {
                label: "Guided completions",
                text: `${report.guided.guided.parses} of ${report.guided.prompts} parse`
              }
            ])
      ]

/** Yardsticks and adaptive prediction. */
const comparisonFacts = (report: ReportValue) => [
  ...report.yardsticks.map((each) => ({
    label: `Bits per byte, ${yardstickName(each.name)}`,
    text:
      each.modelBetter === null
        ? each.bitsPerByte.toFixed(3)
        : `${each.bitsPerByte.toFixed(3)}; model better in ${each.modelBetter} of ${report.countedDocuments} documents`
  })),
  ...(report.adaptive === null
    ? []
    : [
        {
          label: "Bits per byte, adaptive prediction",
          text: withInterval(report.adaptive.bitsPerByte, report.adaptive.interval, 3)
        }
      ])
]

/** The figure over documents that share no long run of tokens with the training text. */
export const withoutShared = ({ documents, tokens, without }: SharedWithTraining): string => {
  const run = `a run of ${tokens} tokens with the training text`
  const sharing = `${documents.toLocaleString("en")} document${documents === 1 ? " shares" : "s share"} ${run}`
  if (without === null) return `none: all documents share ${run}`
  return `${withInterval(without.bitsPerByte, without.interval, 3)} bits per byte over ${without.documents.toLocaleString("en")} document${without.documents === 1 ? "" : "s"}; ${sharing}`
}

export const factsOf = (report: ReportValue) => [
  {
    label: "Measured on",
    text: `${report.split} split, ${report.documents.toLocaleString("en")} document${report.documents === 1 ? "" : "s"}, ${report.tokens.toLocaleString("en")} tokens`
  },
  { label: "Bits per byte", text: withInterval(report.bitsPerByte, report.interval, 3) },
  ...(report.shared === undefined
    ? []
    : [{ label: "Without text shared with training", text: withoutShared(report.shared) }]),
  ...report.baselines.map((each) => ({
    label: `Bits per byte, ${baselineName(each.order)}`,
    text: withInterval(each.bitsPerByte, each.interval, 3)
  })),
  ...comparisonFacts(report),
  ...(report.validation === null
    ? []
    : [{ label: "Bits per byte, validation split", text: figure(report.validation.bitsPerByte) }]),
  { label: "Loss", text: `${report.loss.toFixed(4)} (perplexity ${figure(report.perplexity)})` },
  { label: "Top-1 accuracy", text: percent(report.topOneAccuracy) },
  ...completionFacts(report),
  ...(report.fillInTheMiddle === undefined
    ? []
    : [{ label: "Lines filled in exactly", text: middleFigure(report.fillInTheMiddle.exactMatch) }]),
  {
    label: "Longest overlap",
    text: report.longestOverlap === null ? "no completions" : `${report.longestOverlap} tokens`
  }
]
