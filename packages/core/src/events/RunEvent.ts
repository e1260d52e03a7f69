/**
 * The one stream that tells what happens in a run. The log on disk, the terminal, `status`, `--json` and any dashboard read it;
 * a stage only publishes to it, through `Journal`.
 */
import { Schema } from "effect"
import { Parameter } from "../graph/Parameters.ts"
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

/** What a stage itself may publish. The runner adds run, stage and time. */
export const StageEvent = Schema.Union([
  /** Work done so far, in any unit: files, bytes, tokens, prompts. `total` is absent when nobody knows. */
  Schema.Struct({
    type: Schema.Literal("Progress"),
    done: Schema.Finite,
    total: Schema.optionalKey(Schema.Finite),
    unit: Schema.String,
    /** Which of the stage's pieces of work, when it is not the main one: "downloading". */
    doing: Schema.optionalKey(Schema.String)
  }),
  /** One sentence worth keeping: what was removed, skipped, chosen, and why. */
  Schema.Struct({
    type: Schema.Literal("Note"),
    level: Schema.Literals(["info", "warning"]),
    message: Schema.String
  }),
  /** One training step (or the mean over the steps since the last such event). `loss` is null when it is not finite. */
  Schema.Struct({
    type: Schema.Literal("Step"),
    step: Schema.Int,
    steps: Schema.Int,
    epoch: Schema.Finite,
    loss: Schema.NullOr(Schema.Finite),
    learningRate: Schema.Finite,
    gradientNorm: Schema.NullOr(Schema.Finite),
    tokensPerSecond: Schema.Finite,
    stepMilliseconds: Schema.Finite,
    secondsLeft: Schema.Finite
  }),
  /** The validation split measured during training. Loss in nats per token. */
  Schema.Struct({
    type: Schema.Literal("Evaluation"),
    step: Schema.Int,
    loss: Schema.NullOr(Schema.Finite),
    perplexity: Schema.NullOr(Schema.Finite),
    best: Schema.Boolean
  }),
  Schema.Struct({
    type: Schema.Literal("Sample"),
    /** Null for a model that does not say after how many steps it was saved. */
    step: Schema.NullOr(Schema.Int),
    prompt: Schema.String,
    completion: Schema.String
  }),
  Schema.Struct({
    type: Schema.Literal("CheckpointSaved"),
    step: Schema.Int,
    directory: Schema.String,
    best: Schema.Boolean,
    bytes: Schema.Finite,
    seconds
  }),
  /** Training went on from a checkpoint instead of from the start. `skipped` names broken ones passed over. */
  Schema.Struct({
    type: Schema.Literal("Resumed"),
    step: Schema.Int,
    directory: Schema.String,
    skipped: Schema.Array(Schema.Struct({ directory: Schema.String, why: Schema.String }))
  }),
  /** A threshold of validation, compared. */
  Schema.Struct({
    type: Schema.Literal("Gate"),
    gate: Schema.String,
    value: Schema.NullOr(Schema.Finite),
    relation: Schema.Literals(["at-least", "at-most"]),
    threshold: Schema.Finite,
    passed: Schema.Boolean
  }),
  /** A fault met and what the policy did about it. */
  Schema.Struct({
    type: Schema.Literal("Fault"),
    kind: Schema.String,
    message: Schema.String,
    action: Schema.String
  }),
  /** The main facts of the finished stage as label and text, for tables and pages. */
  Schema.Struct({
    type: Schema.Literal("Facts"),
    facts: Schema.Array(Schema.Struct({ label: Schema.String, text: Schema.String }))
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
    /** The same process with its machine: only there may anybody judge by its number whether it runs. Absent in older logs. */
    owner: Schema.optionalKey(Process),
    /** What to type to go on with it: the command line, without what asks for a new beginning, and the folder to type it in. */
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
  Schema.Struct({ type: Schema.Literal("StageStarted"), stage, why: Schema.String, attempt: Schema.Int }),
  /** It waits for `holder`: a process that makes the same artifact, or, with the reason "turn", stages of this run that compute. */
  Schema.Struct({
    type: Schema.Literal("StageWaiting"),
    stage,
    holder: Schema.String,
    reason: Schema.optionalKey(Schema.Literal("turn")),
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
  /** The process was told twice to stop, and stopped at once. What was not saved is lost; no `RunFinished` follows. */
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

/** Reads a line of `events.jsonl`. Undefined when it is no event: torn by a crash, or of a version that knew others. */
export const decodeLine = (line: string): RunEvent | undefined => {
  const json = decodeJson(line)
  if (json._tag === "Failure") return undefined
  const { at, run, ...event } = json.success
  const decoded = decodeEvent({ run, at, event })
  return decoded._tag === "Failure" ? undefined : decoded.success
}
