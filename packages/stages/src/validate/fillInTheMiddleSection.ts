/** The part of a report's page on filling in the middle. */
import { plural } from "../figures.ts"
import { percent } from "./gates.ts"
import { table } from "./markdown.ts"
import type { FillInTheMiddle, ReportValue } from "./Report.ts"

/** A share with its interval. */
export const middleFigure = ({ interval, value }: FillInTheMiddle["exactMatch"]): string =>
  interval === null
    ? percent(value)
    : `${percent(value)} (${percent(interval.low)} to ${percent(interval.high)})`

/** Empty where nothing was filled in. */
export const fillInTheMiddleSection = ({ fillInTheMiddle, split }: ReportValue): ReadonlyArray<string> => {
  if (fillInTheMiddle === undefined) return []
  const { documents, editSimilarity, ended, exactMatch, lines } = fillInTheMiddle
  return [
    "## Fill in the middle",
    "",
    ...table(
      [`${plural(lines, "line")} of ${plural(documents, "document")} of the ${split} split`, ""],
      [
        ["exact match (95 %)", middleFigure(exactMatch)],
        ["edit similarity (95 %)", middleFigure(editSimilarity)],
        ["ended by the model", percent(ended)]
      ]
    ),
    "",
    "A line is left out of its document, and the model writes it from the text before and after, always with the most likely token. What it writes after a line break does not count. An exact match is the whole line, white space included. Edit similarity is 1 less the Levenshtein distance by the length of the longer text. Intervals are by bootstrap over the documents.",
    ""
  ]
}
