/** What a person wants to know when a run has ended: how each stage ended, what its artifacts' views say, where the results are. */
import type { Result } from "@trainyard/core/Runner"
import * as View from "@trainyard/core/View"
import { Effect, Path } from "effect"
import type { Pipeline } from "../Pipeline.ts"
import * as ComparisonTable from "./ComparisonTable.ts"
import { duration } from "./format.ts"
import { type Screen, table } from "./Screen.ts"
import { sectionLines } from "./sections.ts"

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

/** The artifacts of a run that have a view, in the pipeline's order. */
const viewed = Effect.fnUntraced(function* (pipeline: Pipeline, result: Result) {
  const found = yield* Effect.forEach(pipeline.nodes, (node) => {
    const artifact = result.stages.find(({ name }) => name === node.name)?.artifact
    return artifact == null
      ? Effect.succeed([])
      : Effect.map(View.of(node.kind), (view) =>
          view === undefined ? [] : [{ name: node.name, artifact, view }]
        )
  })
  return found.flat()
})

type Viewed = Effect.Success<ReturnType<typeof viewed>>[number]

/** What an artifact's view adds to the summary; of several of a kind, each says whose it is, and only the last has its samples. */
const sectionsOf = Effect.fnUntraced(function* (
  all: ReadonlyArray<Viewed>,
  { artifact, name, view }: Viewed
) {
  const ofKind = all.filter((other) => other.view.kind === view.kind)
  const sections = yield* View.sections(view, artifact, () => view.summary(artifact))
  return sections
    .filter(({ samples }) => samples === undefined || ofKind.at(-1)?.name === name)
    .map((section) => (ofKind.length === 1 ? section : { ...section, title: `${section.title} (${name})` }))
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
  const shown = yield* viewed(pipeline, result)
  const sections = (yield* Effect.forEach(shown, (each) => sectionsOf(shown, each))).flat()
  const places = [
    ...shown.flatMap(({ artifact, view }) =>
      view.result === undefined ? [] : [[`  ${view.kind}`, path.join(artifact.directory, view.result)]]
    ),
    ...(result.directory === null ? [] : [["  log", path.join(result.directory, "events.jsonl")]])
  ]
  const style = result.status === "succeeded" ? "green" : "red"
  return [
    "",
    screen.style(["bold", style], `${pipeline.name} ${result.status} in ${duration(result.seconds)}`),
    ...table(rows, new Set([2])),
    ...sections.flatMap((section) => ["", ...sectionLines(screen, section)]),
    ...ComparisonTable.lines(screen, result.comparisons),
    "",
    ...table(places)
  ]
})
