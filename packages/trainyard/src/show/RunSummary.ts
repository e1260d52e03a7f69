/** What a person wants to know when a run has ended: how each stage ended, what the model writes, where the results are. */
import type { Result } from "@trainyard/core/Runner"
import * as Sanitize from "@trainyard/core/Sanitize"
import { Completion, Report } from "@trainyard/stages/validate/Report"
import { Effect, FileSystem, Option, Path, Schema } from "effect"
import type { Pipeline } from "../Pipeline.ts"
import * as ComparisonTable from "./ComparisonTable.ts"
import { duration, figure } from "./format.ts"
import { type Screen, table, width } from "./Screen.ts"

const statusStyle = {
  ran: "green",
  cached: "green",
  skipped: "gray",
  failed: "red",
  interrupted: "yellow"
} as const

const statusWord = {
  ran: "made",
  cached: "reused",
  skipped: "left out",
  failed: "failed",
  interrupted: "interrupted"
} as const

const decodeCompletion = Schema.decodeUnknownOption(Schema.fromJsonString(Completion))
const decodeReport = Schema.decodeUnknownOption(Report.value)

/** Longest completion shown in full, in lines. */
const longest = 8

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

/** A prompt and what the model made of it. */
export const completionLines = (
  screen: Screen,
  { completion, prompt }: Pick<Completion, "completion" | "prompt">
): ReadonlyArray<string> => {
  // On a terminal lines are folded here, so that each row keeps its bar.
  const columns = screen.live ? screen.columns() - 5 : Number.POSITIVE_INFINITY
  const lines = Sanitize.text(prompt + completion)
    .trimEnd()
    .split("\n")
    .flatMap((line) => folded(line.replaceAll("\t", "  "), columns))
  const shown = lines.slice(0, longest)
  const more =
    lines.length > longest
      ? [screen.style("gray", `${screen.unicode ? "…" : "..."} ${lines.length - longest} more lines`)]
      : []
  const bar = screen.style("gray", screen.unicode ? "│" : "|")
  return [...shown, ...more].map((line, index) =>
    index === 0
      ? `  ${bar} ${screen.style("bold", line.slice(0, prompt.length))}${line.slice(prompt.length)}`
      : `  ${bar} ${line}`
  )
}

/** Folder of each artifact of a kind, in the pipeline's order. */
const directoriesOf = (pipeline: Pipeline, result: Result, kind: string): ReadonlyArray<string> =>
  pipeline.nodes.flatMap((node) => {
    const directory = result.artifacts[node.name]
    return node.kind.name === kind && directory !== undefined ? [directory] : []
  })

const completionsIn = Effect.fnUntraced(function* (screen: Screen, directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* fs
    .readFileString(path.join(directory, "completions.jsonl"))
    .pipe(Effect.orElseSucceed(() => ""))
  const completions = text
    .split("\n")
    .flatMap((line) => Option.toArray(decodeCompletion(line)))
    .filter(({ document }) => document === null)
  return completions.flatMap((completion, index) => [
    ...(index === 0 ? [] : [""]),
    ...completionLines(screen, completion)
  ])
})

const figuresOf = (screen: Screen, result: Result): ReadonlyArray<string> =>
  result.stages.flatMap(({ artifact }) => {
    if (artifact?.kind !== Report.name) return []
    const report = decodeReport(artifact.value)
    if (Option.isNone(report)) return []
    const { baselines, bitsPerByte, gates, perplexity, split, validation } = report.value
    const failed = gates.filter((gate) => !gate.passed)
    const others = baselines.map(
      ({ bitsPerByte: theirs, order }) => `${order === 2 ? "bigram" : `${order}-gram`} ${figure(theirs)}`
    )
    return [
      `  ${figure(bitsPerByte)} bits per byte, perplexity ${figure(perplexity)} (${others.join(", ")} bits per byte)`,
      validation === null
        ? `  over the ${split} split, by which training chose too`
        : `  over the ${split} split; ${figure(validation.bitsPerByte)} over the validation split, by which training chose`,
      gates.length === 0
        ? "  no gates"
        : failed.length === 0
          ? screen.style(
              "green",
              gates.length === 1 ? "  the gate was passed" : `  all ${gates.length} gates were passed`
            )
          : screen.style(
              "red",
              `  ${failed.length} of ${gates.length} gates failed: ${failed.map(({ gate }) => gate).join(", ")}`
            )
    ]
  })

/** The closing lines of a run. */
export const lines = Effect.fn("RunSummary.lines")(function* (
  screen: Screen,
  pipeline: Pipeline,
  result: Result
) {
  const path = yield* Path.Path
  const rows = result.stages.map(({ name, seconds, status, gateFailure }) => [
    `  ${screen.style("cyan", name)}`,
    gateFailure === null
      ? screen.style(statusStyle[status], statusWord[status])
      : screen.style("red", `${statusWord[status]}, gate failed`),
    status === "ran" || status === "failed" || seconds >= 0.05 ? duration(seconds) : ""
  ])
  const reports = directoriesOf(pipeline, result, Report.name)
  const completions = reports.length === 0 ? [] : yield* completionsIn(screen, reports.at(-1)!)
  const figures = figuresOf(screen, result)
  const places = [
    ...directoriesOf(pipeline, result, "model").map((directory) => ["  model", directory]),
    ...reports.map((directory) => ["  report", path.join(directory, "report.md")]),
    ...(result.directory === null ? [] : [["  log", path.join(result.directory, "events.jsonl")]])
  ]
  const style = result.status === "succeeded" ? "green" : "red"
  return [
    "",
    screen.style(["bold", style], `${pipeline.name} ${result.status} in ${duration(result.seconds)}`),
    ...table(rows, new Set([2])),
    ...(completions.length === 0 ? [] : ["", screen.style("bold", "What the model writes"), ...completions]),
    ...(figures.length === 0
      ? []
      : ["", screen.style("bold", "How it does on text it has not seen"), ...figures]),
    ...ComparisonTable.lines(screen, result.comparisons),
    "",
    ...table(places)
  ]
})
