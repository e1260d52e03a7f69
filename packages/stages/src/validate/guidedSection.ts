/** The part of a report's page that sets free and guided completions side by side. */
import { percent } from "./gates.ts"
import { shareInterval } from "./guided.ts"
import { table } from "./markdown.ts"
import type { Generation, ReportValue } from "./Report.ts"

type Figures = typeof Generation.Type

const share = (passes: number, total: number, interval: Figures["parseInterval"]): string =>
  interval === null
    ? `${passes} of ${total}`
    : `${passes} of ${total} (${percent(passes / total)}; ${percent(interval.low)} to ${percent(interval.high)})`

/** A share with its score interval. */
export const shareWithInterval = (passes: number, total: number): string =>
  share(passes, total, shareInterval(passes, total))

const compiled = (figures: Figures, total: number): string =>
  figures.compiles === null ? "not measured" : share(figures.compiles, total, figures.compileInterval)

/** Empty where no guided completions were written. */
export const guidedSection = ({ guided: both }: ReportValue): ReadonlyArray<string> => {
  if (both === null) return []
  const { free, guided, notGuided, prompts, real } = both
  return [
    "### Free and guided",
    "",
    ...table(
      [`completions of ${prompts} prompts`, "free", "guided"],
      [
        [
          "parses",
          share(free.parses, prompts, free.parseInterval),
          share(guided.parses, prompts, guided.parseInterval)
        ],
        ["compiles", compiled(free, prompts), compiled(guided, prompts)],
        ["items finished, on average", free.finishedItems.toFixed(2), guided.finishedItems.toFixed(2)],
        [
          "longest run of tokens shared with the training text",
          `${free.longestOverlap}`,
          `${guided.longestOverlap}`
        ]
      ]
    ),
    "",
    "Shares with their 95 % score interval, as if the prompts were independent: those of one document are alike, so with few documents the interval is rather too narrow. A guided completion is the model's own text without the tokens that the grammar refuses, and is parsed to its end. It changes no other figure.",
    ...(real === null || real.compiles === null
      ? []
      : [
          `Of the documents' own text after the same prompts, ${real.compiles} of ${real.total} compile by the same rule.`
        ]),
    ...(notGuided === 0
      ? []
      : [`${notGuided} of the prompts cannot be guided, and count as completions that do not parse.`]),
    ""
  ]
}
