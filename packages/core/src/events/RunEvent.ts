/**
 * The Schema of a run's events. The log on disk, the terminal, the status and any dashboard read the same stream; a stage only publishes
 * to it, through `Journal`. What a metric means is known to the stage that publishes it.
 */
import { Predicate, Schema } from "effect"
import { Parameter } from "../graph/Parameter.ts"
import { Process } from "../store/Processes.ts"
import { Comparison } from "./Comparison.ts"
import * as Sanitize from "./Sanitize.ts"

export type { Comparison } from "./Comparison.ts"

const seconds = Schema.Finite
const stage = Schema.String

/** How a stage ended. */
export const StageStatus = Schema.Literals(["ran", "cached", "skipped", "failed", "interrupted"])
export type StageStatus = typeof StageStatus.Type

/** A command line: the words after `trainyard`, and the folder that its relative paths start from. */
export const Command = Schema.Struct({ directory: Schema.String, words: Schema.Array(Schema.String) })
export type Command = typeof Command.Type

/** A fact in words: its label and its text. */
export const Fact = Schema.Struct({ label: Schema.String, text: Schema.String })
export type Fact = typeof Fact.Type

/** One measured value at a step. What it means is the publishing stage's business; readers show its name, its value and its unit. */
export const MetricValue = Schema.Struct({
  /** In words, as it is to be shown. */
  name: Schema.String,
  /** Null when it is not finite. */
  value: Schema.NullOr(Schema.Finite),
  /** Shown after the value: "tokens/s", "ms". */
  unit: Schema.optionalKey(Schema.String),
  /** Whether it is the best value of this metric so far. Given for metrics that the stage chooses by. */
  best: Schema.optionalKey(Schema.Boolean)
})
export type MetricValue = typeof MetricValue.Type

/** What a stage itself may publish. The runner adds run, stage and time. */
export const StageEvent = Schema.Union([
  /** Work done so far, in any unit: files, bytes, tokens, steps. `total` is absent when it is unknown. */
  Schema.Struct({
    type: Schema.Literal("Progress"),
    done: Schema.Finite,
    total: Schema.optionalKey(Schema.Finite),
    unit: Schema.String,
    /** Which of the stage's pieces of work, when it is not the main one: "downloading". */
    doing: Schema.optionalKey(Schema.String),
    /** The stage's own estimate of the time left. Without it readers estimate from `done` and `total`. */
    secondsLeft: Schema.optionalKey(seconds)
  }),
  /** One sentence worth keeping: what was removed, skipped, chosen, and why. */
  Schema.Struct({
    type: Schema.Literal("Note"),
    level: Schema.Literals(["info", "warning"]),
    message: Schema.String
  }),
  /** Values measured at a step, the most important first. */
  Schema.Struct({
    type: Schema.Literal("Metric"),
    step: Schema.Int,
    metrics: Schema.Array(MetricValue),
    /** True for what is published several times a second: readers show the newest and keep no line for each. */
    frequent: Schema.optionalKey(Schema.Boolean)
  }),
  /** A text that shows how far the work has come: what followed the prompt. */
  Schema.Struct({
    type: Schema.Literal("Sample"),
    /** Null where no step is known. */
    step: Schema.NullOr(Schema.Int),
    prompt: Schema.String,
    completion: Schema.String
  }),
  /** Unfinished work was saved, so that a later attempt can resume from it. */
  Schema.Struct({
    type: Schema.Literal("Saved"),
    step: Schema.Int,
    directory: Schema.String,
    best: Schema.Boolean,
    bytes: Schema.Finite,
    seconds
  }),
  /** The stage resumed from saved work instead of starting over. `skipped` lists broken saves that were passed over. */
  Schema.Struct({
    type: Schema.Literal("Resumed"),
    step: Schema.Int,
    directory: Schema.String,
    skipped: Schema.Array(Schema.Struct({ directory: Schema.String, why: Schema.String }))
  }),
  /** A measured value compared with its threshold. */
  Schema.Struct({
    type: Schema.Literal("Gate"),
    gate: Schema.String,
    value: Schema.NullOr(Schema.Finite),
    relation: Schema.Literals(["at-least", "at-most"]),
    threshold: Schema.Finite,
    passed: Schema.Boolean
  }),
  /** Something went wrong, and what was done about it. */
  Schema.Struct({
    type: Schema.Literal("Fault"),
    kind: Schema.String,
    message: Schema.String,
    action: Schema.String
  }),
  /** The main facts of the stage's artifact, for tables and pages. They replace the stage's earlier ones. */
  Schema.Struct({
    type: Schema.Literal("Facts"),
    facts: Schema.Array(Fact)
  })
])
export type StageEvent = typeof StageEvent.Type

/** A stage's event as it stands in the stream. */
export const Reported = Schema.Struct({ type: Schema.Literal("Stage"), stage, event: StageEvent })

export const StageSummary = Schema.Struct({ name: stage, status: StageStatus, seconds })

/** What the runner publishes. */
export const RunnerEvent = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("RunStarted"),
    pipeline: Schema.String,
    workspace: Schema.String,
    process: Schema.Int,
    /** The same process with its machine: only there does its number say whether it runs. Absent in older logs. */
    owner: Schema.optionalKey(Process),
    /** What to type to resume it: the command line, without flags that would start over, and the folder to type it in. */
    command: Schema.optionalKey(Command),
    /** Engine, precision, threads and why they were chosen; empty when nothing computes. */
    backend: Schema.String,
    /** The pipeline's parameters with their values. */
    parameters: Schema.optionalKey(Schema.Array(Parameter)),
    stages: Schema.Array(
      Schema.Struct({
        name: stage,
        runs: Schema.Boolean,
        why: Schema.String,
        /** Stages that must be done before it starts. */
        after: Schema.optionalKey(Schema.Array(stage)),
        /** Name of the artifact that it makes or uses. */
        cacheKey: Schema.optionalKey(Schema.String),
        /** Its config as it would be written, defaults filled in. */
        config: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
      })
    )
  }),
  Schema.Struct({
    type: Schema.Literal("StageStarted"),
    stage,
    why: Schema.String,
    attempt: Schema.Int,
    /** Name of the worker that makes it; absent where the run's own process does. */
    worker: Schema.optionalKey(Schema.String)
  }),
  /**
   * It waits for `holder`: a process that makes the same artifact, or, with the reason "turn", stages of this run that compute, or, with the
   * reason "worker", a worker that takes it.
   */
  Schema.Struct({
    type: Schema.Literal("StageWaiting"),
    stage,
    holder: Schema.String,
    reason: Schema.optionalKey(Schema.Literals(["turn", "worker"])),
    /** What to do should the holder's machine never come back; absent for a holder on this machine. */
    hint: Schema.optionalKey(Schema.String)
  }),
  Schema.Struct({
    type: Schema.Literal("StageRetried"),
    stage,
    attempt: Schema.Int,
    error: Schema.String,
    message: Schema.String,
    delaySeconds: seconds
  }),
  Schema.Struct({
    type: Schema.Literal("StageFinished"),
    stage,
    status: StageStatus,
    seconds,
    directory: Schema.NullOr(Schema.String),
    cacheKey: Schema.NullOr(Schema.String)
  }),
  /** Sampled while a run goes on. Sizes in bytes, share of one core in cpu (2 = two cores busy). */
  Schema.Struct({
    type: Schema.Literal("Health"),
    residentBytes: Schema.Finite,
    heapBytes: Schema.Finite,
    threads: Schema.NullOr(Schema.Int),
    cpu: Schema.Finite,
    openFiles: Schema.NullOr(Schema.Int),
    leak: Schema.NullOr(Schema.String)
  }),
  Schema.Struct({
    type: Schema.Literal("Failure"),
    stage: Schema.NullOr(stage),
    error: Schema.String,
    message: Schema.String
  }),
  /** The trials of a sweep side by side, before `RunFinished`. */
  Schema.Struct({ type: Schema.Literal("Comparison"), ...Comparison.fields }),
  /** The process received a second signal and stopped at once. What was not saved is lost; no `RunFinished` follows. */
  Schema.Struct({ type: Schema.Literal("RunStopped") }),
  Schema.Struct({
    type: Schema.Literal("RunFinished"),
    status: Schema.Literals(["succeeded", "failed", "interrupted"]),
    seconds,
    stages: Schema.Array(StageSummary),
    /** Artifact folder of each stage that has one. */
    artifacts: Schema.Record(Schema.String, Schema.String)
  })
])

const stamp = {
  /** Identity of the run: sorts by time. */
  run: Schema.String,
  /** ISO 8601, UTC. */
  at: Schema.String
}

/** One line of the stream: `{ run, at, event }` flattened when written as JSON. */
export const RunEvent = Schema.Struct({ ...stamp, event: Schema.Union([RunnerEvent, Reported]) })
export type RunEvent = typeof RunEvent.Type

const decodeEvent = Schema.decodeUnknownResult(RunEvent)
const decodeJson = Schema.decodeUnknownResult(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
)

/** The event as one flat JSON object: `{ run, at, type, … }`. */
export const flatten = ({ at, event, run }: RunEvent): Readonly<Record<string, unknown>> => ({
  run,
  at,
  ...event
})

/** The event as a line of `events.jsonl`, its line break included. */
export const encodeLine = (event: RunEvent): string => `${Sanitize.json(flatten(event))}\n`

/** Names that older versions gave to events of the same shape. */
const renamed: Readonly<Record<string, string>> = { CheckpointSaved: "Saved" }

const withNewNames = (event: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
  const { event: inner } = event
  if (!Predicate.isReadonlyObject(inner) || !("type" in inner) || typeof inner.type !== "string") return event
  const name = renamed[inner.type]
  return name === undefined ? event : { ...event, event: { ...inner, type: name } }
}

/** A line of `events.jsonl` as it was read. */
export type Line =
  | { readonly _tag: "Event"; readonly event: RunEvent }
  /** Written by a version that has other events. */
  | { readonly _tag: "Unknown" }
  /** No event: damaged, or cut off. */
  | { readonly _tag: "Unreadable" }

/** Reads a line of `events.jsonl`. */
export const readLine = (line: string): Line => {
  const json = decodeJson(line)
  if (json._tag === "Failure") return { _tag: "Unreadable" }
  const { at, run, ...event } = json.success
  const decoded = decodeEvent({ run, at, event: withNewNames(event) })
  if (decoded._tag === "Success") return { _tag: "Event", event: decoded.success }
  const isStamped = typeof run === "string" && typeof at === "string" && typeof event.type === "string"
  return { _tag: isStamped ? "Unknown" : "Unreadable" }
}

/** The event on a line of `events.jsonl`; undefined when there is none that this version knows. */
export const decodeLine = (line: string): RunEvent | undefined => {
  const read = readLine(line)
  return read._tag === "Event" ? read.event : undefined
}
