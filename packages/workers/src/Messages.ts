/** What coordinator, worker and stage process tell each other: Schemas of what goes through the database and between processes. */
import { KeyParts } from "@trainyard/core/CacheKey"
import { Reported, RunnerEvent } from "@trainyard/core/RunEvent"
import { Schema } from "effect"

/** What a worker is asked to make. */
export const Job = Schema.Struct({
  pipeline: Schema.String,
  run: Schema.String,
  /** The stage's name in the pipeline. */
  name: Schema.String,
  why: Schema.String,
  forced: Schema.Boolean,
  cacheKey: Schema.String,
  keyParts: KeyParts,
  /** How to open the pipeline; the command's business. */
  spec: Schema.Unknown
})
export type Job = typeof Job.Type

/** How a job ended in its stage process. */
export const Outcome = Schema.Union([
  Schema.Struct({ type: Schema.Literal("made"), status: Schema.Literals(["ran", "cached"]) }),
  Schema.Struct({
    type: Schema.Literal("failed"),
    error: Schema.String,
    message: Schema.String,
    details: Schema.NullOr(Schema.String)
  }),
  /** The worker cannot make it: its code differs, or it lacks an engine. Another one may. */
  Schema.Struct({ type: Schema.Literal("refused"), message: Schema.String }),
  /** It was asked to leave, and has saved what can be gone on with. */
  Schema.Struct({ type: Schema.Literal("left") })
])
export type Outcome = typeof Outcome.Type

export const Event = Schema.Union([RunnerEvent, Reported])
export type Event = typeof Event.Type

/** From the worker to its stage process. */
export const ToProcess = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("make"),
    job: Job,
    attempt: Schema.Int,
    lost: Schema.NullOr(Schema.String)
  }),
  Schema.Struct({ type: Schema.Literal("leave") })
])
export type ToProcess = typeof ToProcess.Type

/** From the stage process to its worker. */
export const FromProcess = Schema.Union([
  /** It has loaded what all pipelines need. `process` is it, as text. */
  Schema.Struct({ type: Schema.Literal("ready"), process: Schema.String }),
  Schema.Struct({ type: Schema.Literal("event"), event: Event }),
  Schema.Struct({ type: Schema.Literal("ended"), outcome: Outcome })
])
export type FromProcess = typeof FromProcess.Type
