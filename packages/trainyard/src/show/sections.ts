/** Sections of an artifact's view as lines of text. */
import * as Sanitize from "@trainyard/core/Sanitize"
import type { Section } from "@trainyard/core/View"
import { curve } from "./curve.ts"
import { type Screen, table, width } from "./Screen.ts"

/** Longest sample shown in full, in lines. */
const longestSample = 8

const curveRows = 10

/** A line in pieces of at most `columns` characters. */
const folded = (line: string, columns: number): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  let piece = ""
  for (const character of line) {
    if (piece !== "" && width(piece + character) > columns) {
      pieces.push(piece)
      piece = ""
    }
    piece += character
  }
  return [...pieces, piece]
}

/** A prompt and what followed it, beside a bar. */
export const sampleLines = (
  screen: Screen,
  { completion, prompt }: { readonly prompt: string; readonly completion: string }
): ReadonlyArray<string> => {
  // On a terminal lines are folded here, so that each row keeps its bar.
  const columns = screen.live ? screen.columns() - 5 : Number.POSITIVE_INFINITY
  const lines = Sanitize.text(prompt + completion)
    .trimEnd()
    .split("\n")
    .flatMap((line) => folded(line.replaceAll("\t", "  "), columns))
  const shown = lines.slice(0, longestSample)
  const more =
    lines.length > longestSample
      ? [screen.style("gray", `${screen.unicode ? "…" : "..."} ${lines.length - longestSample} more lines`)]
      : []
  const bar = screen.style("gray", screen.unicode ? "│" : "|")
  return [...shown, ...more].map((line, index) =>
    index === 0
      ? `  ${bar} ${screen.style("bold", line.slice(0, prompt.length))}${line.slice(prompt.length)}`
      : `  ${bar} ${line}`
  )
}

/** Whether every cell of a column is a number, with a unit perhaps. */
const isNumeric = (rows: ReadonlyArray<ReadonlyArray<string>>, column: number): boolean =>
  rows.every((row) => /^-?[\d,.]*( [kMGT]?B)?$/.test(row[column] ?? ""))

const tableLines = (
  screen: Screen,
  { columns, rows }: NonNullable<Section["table"]>
): ReadonlyArray<string> => {
  const right = new Set(columns.map((_, index) => index).filter((index) => isNumeric(rows, index)))
  return table(
    [
      columns.map((name, index) => `${index === 0 ? "  " : ""}${screen.style("gray", name)}`),
      ...rows.map((row) => row.map((cell, index) => `${index === 0 ? "  " : ""}${Sanitize.line(cell)}`))
    ],
    right
  )
}

/** A section's title and what it has. */
export const sectionLines = (screen: Screen, section: Section): ReadonlyArray<string> => {
  const { curve: points, facts = [], lines = [], samples = [], table: cells, text, title } = section
  return [
    screen.style("bold", Sanitize.line(title)),
    ...table(facts.map((fact) => [`  ${Sanitize.line(fact.label)}`, Sanitize.line(fact.text)])),
    ...lines.map(({ text: line, tone }) => {
      const shown = `  ${Sanitize.line(line)}`
      return tone === undefined ? shown : screen.style(tone === "good" ? "green" : "red", shown)
    }),
    ...(cells === undefined ? [] : tableLines(screen, cells)),
    ...(points === undefined
      ? []
      : curve(
          screen,
          points.map(({ step: x, value: y }) => ({ x, y })),
          screen.columns() - 1,
          curveRows
        )),
    ...samples.flatMap((sample, index) => [...(index === 0 ? [] : [""]), ...sampleLines(screen, sample)]),
    ...(text === undefined ? [] : Sanitize.text(text).trimEnd().split("\n"))
  ]
}
