/** The trials of a sweep side by side, the best first: on a terminal, and on the status page. */
import type { Comparison } from "@trainyard/core/RunEvent"
import * as Sanitize from "@trainyard/core/Sanitize"
import { duration, oneLine } from "./format.ts"
import { type Screen, table } from "./Screen.ts"

/** Digits enough to tell trials apart that differ little. */
const metric = (value: number | null | undefined): string => {
  if (value === null || value === undefined) return "-"
  return Number.isInteger(value) ? String(value) : value.toPrecision(5)
}

const setting = (value: unknown): string =>
  value === undefined ? "-" : oneLine(typeof value === "string" ? value : JSON.stringify(value), 40)

/** `train.learningRate` without its stage, where no other column is called so. */
const shortName = (key: string, all: ReadonlyArray<string>): string => {
  const short = key.slice(key.indexOf(".") + 1)
  return all.filter((other) => other.slice(other.indexOf(".") + 1) === short).length === 1 ? short : key
}

const headOf = ({ metrics, settings }: Comparison): ReadonlyArray<string> => [
  "rank",
  "trial",
  ...settings.map((key) => shortName(key, settings)),
  ...metrics,
  "time"
]

const rowsOf = ({ metrics, rows, settings }: Comparison): ReadonlyArray<ReadonlyArray<string>> =>
  rows.map((row) => [
    row.rank === null ? "-" : String(row.rank),
    Sanitize.line(row.nodes[0] ?? ""),
    ...settings.map((key) => setting(row.settings[key])),
    ...metrics.map((label) => metric(row.metrics[label])),
    duration(row.seconds)
  ])

const titleOf = ({ rankedBy, rows, stages }: Comparison): string =>
  `Comparison of ${rows.length} trials (${stages.join(", ")})${rankedBy === null ? "" : `, ranked by ${rankedBy}`}`

/** For the closing lines of a run. */
export const lines = (screen: Screen, comparisons: ReadonlyArray<Comparison>): ReadonlyArray<string> =>
  comparisons.flatMap((comparison) => {
    const [head = "", ...rows] = table(
      [headOf(comparison), ...rowsOf(comparison)].map(([first = "", ...rest]) => [`  ${first}`, ...rest])
    )
    return [
      "",
      screen.style("bold", titleOf(comparison)),
      screen.style("gray", head),
      ...rows.map((row, index) => (comparison.rows[index]?.rank === 1 ? screen.style("green", row) : row))
    ]
  })

/** For the status page. */
export const markdown = (comparisons: ReadonlyArray<Comparison>): ReadonlyArray<string> =>
  comparisons.flatMap((comparison, index) => {
    const head = headOf(comparison)
    return [
      ...(index === 0 ? [] : [""]),
      `${titleOf(comparison)}:`,
      "",
      `| ${head.join(" | ")} |`,
      `| ${head.map(() => "---").join(" | ")} |`,
      ...rowsOf(comparison).map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
    ]
  })
