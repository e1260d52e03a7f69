/** One stage of a run: waits for its turn, has its artifact reused or made, and publishes how it ended. */
import { Cause, Effect, Exit, FileSystem, Option, Path, Predicate, Ref, Scope } from "effect"
import { RunStream } from "../events/EventStream.ts"
import type { StageStatus } from "../events/RunEvent.ts"
import * as Sanitize from "../events/Sanitize.ts"
import type { Artifact } from "../store/Artifact.ts"
import * as Latest from "../store/Latest.ts"
import { Workspace } from "../store/Workspace.ts"
import { ComputeLimit } from "./ComputeLimit.ts"
import * as Facts from "./Facts.ts"
import * as Failure from "./Failure.ts"
import { type Beginning, type Job, NotBegun, reuseOrMake } from "./MakeArtifact.ts"
import { RemoteExecutor } from "./RemoteExecutor.ts"

/** How one stage ended. `E` is the union of the errors that it may fail with. */
export interface Outcome<out E = unknown> {
  readonly name: string
  readonly status: StageStatus
  readonly seconds: number
  readonly artifact: Artifact | null
  readonly failure: Failure.Failure<E> | null
  /** The sentence of a gate that the artifact did not pass. */
  readonly gateFailure: string | null
}

/** The outcome of a stage that was not run. */
export const leftOut = (name: string, artifact: Artifact | null): Outcome => ({
  name,
  status: "skipped",
  seconds: 0,
  artifact,
  failure: null,
  gateFailure: null
})

/** The plain fields of an artifact's value, as attributes of its stage's span. */
const numbersOf = (value: unknown): Readonly<Record<string, unknown>> =>
  Predicate.isObject(value)
    ? Object.fromEntries(
        Object.entries(value)
          .filter(([, part]) => ["number", "string", "boolean"].includes(typeof part))
          .map(([key, part]) => [`artifact.${key}`, part])
      )
    : {}

/** Publishes that a stage ended, once, and gives its seconds. */
const finishing = Effect.fnUntraced(function* (job: Job) {
  const stream = yield* RunStream
  const start = yield* Ref.make(performance.now())
  const ended = yield* Ref.make(false)
  return {
    /** Waiting for another process or for its turn is not part of what a stage took. */
    begin: Effect.suspend(() => Ref.set(start, performance.now())),
    ended: Ref.get(ended),
    finish: Effect.fnUntraced(function* (status: StageStatus, artifact: Artifact | null) {
      yield* Ref.set(ended, true)
      const seconds = Math.round(performance.now() - (yield* Ref.get(start))) / 1000
      yield* Effect.annotateCurrentSpan({ "trainyard.status": status, ...numbersOf(artifact?.value) })
      yield* stream.publish({
        type: "StageFinished",
        stage: job.stage.name,
        status,
        seconds,
        directory: artifact?.directory ?? null,
        cacheKey: artifact?.cacheKey ?? null
      })
      return seconds
    })
  }
})
type Finishing = Effect.Success<ReturnType<typeof finishing>>

/** Publishes a failure, with its details in a file of the run's folder. */
const fail = Effect.fnUntraced(function* (job: Job, { finish }: Finishing, failure: Failure.Failure) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const stream = yield* RunStream
  const { name } = job.stage
  yield* Ref.set(job.halted, true)
  const log = path.join(workspace.runs, job.run, `${name}.failure.txt`)
  const kept =
    failure.details !== null &&
    (yield* fs.writeFileString(log, `${Sanitize.text(failure.details)}\n`).pipe(
      Effect.as(true),
      Effect.orElseSucceed(() => false)
    ))
  const message = kept ? `${failure.message} The details are in ${log}.` : failure.message
  yield* stream.publish({ type: "Failure", stage: name, error: failure.error, message })
  const outcome: Outcome = {
    name,
    status: "failed",
    seconds: yield* finish("failed", null),
    artifact: null,
    failure: { ...failure, message },
    gateFailure: null
  }
  return outcome
})

/** Waits for the stage's turn where it computes. A turn is kept until the scope ends. */
const waitForTurn = Effect.fnUntraced(function* (job: Job, scope: Scope.Scope) {
  const stream = yield* RunStream
  const limit = yield* ComputeLimit
  const { name, node } = job.stage
  // Stages that other processes make compute there.
  if (node.stage.usesBackend && (yield* RemoteExecutor) === undefined) {
    yield* limit
      .take(name, (holders) =>
        stream.publish({ type: "StageWaiting", stage: name, holder: holders.join(", "), reason: "turn" })
      )
      .pipe(Scope.provide(scope))
  }
  if (yield* Ref.get(job.halted)) return yield* new NotBegun()
})

/** Runs a planned stage and publishes its beginning and end. Never fails: how it ended is the outcome. */
export const runStage = Effect.fnUntraced(function* (job: Job) {
  const { name, node } = job.stage
  const { ofArtifact, stream } = yield* Facts.remembering(name)
  const limit = yield* ComputeLimit
  const ending = yield* finishing(job)
  const { finish } = ending
  const work = Effect.gen(function* () {
    // A turn is kept until the stage has published how it ended, so that the next one knows.
    const scope = yield* Effect.scope
    const begin: Beginning["begin"] = waitForTurn(job, scope).pipe(
      Effect.provideService(RunStream, stream),
      Effect.provideService(ComputeLimit, limit),
      Effect.andThen(ending.begin)
    )
    const exit = yield* Effect.exit(
      Effect.map(reuseOrMake({ ...job, begin, onBegin: ending.begin }), (made) => ({
        ...made,
        gateFailure: node.stage.gate(made.artifact.value) ?? null
      })).pipe(Effect.provideService(RunStream, stream))
    )
    if (Exit.isFailure(exit)) {
      const notBegun = Option.exists(Cause.findErrorOption(exit.cause), (error) => error instanceof NotBegun)
      if (!notBegun) return yield* fail(job, ending, Failure.of(name, exit.cause))
      yield* finish("skipped", null)
      return leftOut(name, null)
    }
    const { artifact, status, gateFailure } = exit.value
    yield* ofArtifact(node.kind, artifact)
    yield* Latest.write({
      pipeline: job.pipeline,
      node: name,
      stage: node.stage.name,
      cacheKey: artifact.cacheKey
    }).pipe(Effect.ignore)
    const seconds = yield* finish(status, artifact)
    if (gateFailure !== null) {
      yield* stream.publish({ type: "Failure", stage: name, error: "GateFailed", message: gateFailure })
    }
    const outcome: Outcome = { name, status, seconds, artifact, failure: null, gateFailure }
    return outcome
  })
  return yield* work.pipe(
    Effect.scoped,
    Effect.onInterrupt(() =>
      Effect.flatMap(ending.ended, (hasEnded) =>
        hasEnded ? Effect.void : Effect.asVoid(finish("interrupted", null))
      )
    ),
    Effect.withSpan(`stage ${name}`, {
      attributes: {
        "trainyard.stage": name,
        "trainyard.cacheKey": job.stage.cacheKey,
        "trainyard.why": job.stage.why
      }
    })
  )
})
