/** What the summary of a run shows of a report. */
import type { Language } from "../languages/Language.ts"
import { baselineName, figure, percent } from "./gates.ts"
import type { ReportValue } from "./Report.ts"

const completionFacts = (report: ReportValue, language: Language | undefined) =>
  language === undefined
    ? [{ label: "Completions", text: `${report.completions.total}, not checked: no language is chosen` }]
    : [
        {
          label: `Parses as ${language.title}`,
          text:
            report.parseShare === null
              ? "no completions"
              : `${report.completions.parses} of ${report.completions.total}`
        },
        report.compileShare === null
          ? { label: "Compiles", text: `not measured: ${report.compiler}` }
          : { label: `Compiles (${report.compiler})`, text: percent(report.compileShare) }
      ]

export const factsOf = (report: ReportValue, language: Language | undefined) => [
  {
    label: "Measured on",
    text: `${report.split} split, ${report.documents.toLocaleString("en")} document${report.documents === 1 ? "" : "s"}, ${report.tokens.toLocaleString("en")} tokens`
  },
  { label: "Bits per byte", text: figure(report.bitsPerByte) },
  ...report.baselines.map((each) => ({
    label: `Bits per byte, ${baselineName(each.order)}`,
    text: figure(each.bitsPerByte)
  })),
  ...(report.validation === null
    ? []
    : [{ label: "Bits per byte, validation split", text: figure(report.validation.bitsPerByte) }]),
  { label: "Loss", text: `${report.loss.toFixed(4)} (perplexity ${figure(report.perplexity)})` },
  { label: "Top-1 accuracy", text: percent(report.topOneAccuracy) },
  ...completionFacts(report, language),
  {
    label: "Longest overlap",
    text: report.longestOverlap === null ? "no completions" : `${report.longestOverlap} tokens`
  }
]
