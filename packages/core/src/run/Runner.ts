/**
 * Runs a pipeline: plans it, reuses what is there, runs the rest (independent stages at the same time), retries what may pass, and
 * publishes all of it to the event stream. A stage that fails is part of the result; only a run that could not begin fails.
 */
import { Cause, Deferred, Effect, Exit, Layer, Path, Ref, type Scope, Semaphore } from "effect"
import { ComputeIdentity } from "../cache/CacheKey.ts"
import * as Code from "../cache/Code.ts"
import type { Comparison } from "../events/Comparison.ts"
import { EventStream, RunStream } from "../events/EventStream.ts"
import type { Command } from "../events/RunEvent.ts"
import type { Pipeline } from "../graph/Pipeline.ts"
import * as Plan from "../graph/Plan.ts"
import type { InvalidSettings } from "../graph/Settings.ts"
import type { ExternalServices } from "../graph/Stage.ts"
import type { Artifact, Kind } from "../store/Artifact.ts"
import * as Latest from "../store/Latest.ts"
import * as Processes from "../store/Processes.ts"
import * as StoreCache from "../store/shared/StoreCache.ts"
import type { StoreError } from "../store/shared/StoreError.ts"
import { isReadOnly, sweep, Workspace, type WorkspaceError } from "../store/Workspace.ts"
import { ComputeLimit } from "./ComputeLimit.ts"
import { compare } from "./compare.ts"
import * as Health from "./Health.ts"
import type { Journal } from "./Journal.ts"
import * as Sharing from "./Sharing.ts"
import { leftOut, type Outcome, runStage } from "./StageRun.ts"
import * as Tracing from "./Tracing.ts"

export type { Outcome } from "./StageRun.ts"

export type Options = Plan.Options & {
  /** How often the process's health is sampled, in seconds; 5 unless given. */
  readonly healthEvery?: number
  /** How many stages may run at the same time; as many as are ready unless given. */
  readonly concurrency?: number
  /** How many stages that compute may do so at the same time; 1 unless given, since an engine uses every thread that it is given. */
  readonly jobs?: number
  /** What to type to go on with the run should it be interrupted, for `plan` and `status` to show. */
  readonly command?: Command | undefined
}

/** How a run ended. `E` is the union of the errors that the pipeline's stages declare. */
export interface Result<out E = unknown> {
  /** Identity of the run. */
  readonly run: string
  /** The run's folder; null when the workspace is read-only and nothing had to be made. */
  readonly directory: string | null
  /** "failed" also when every stage ran and a gate was not passed. */
  readonly status: "succeeded" | "failed"
  readonly seconds: number
  readonly stages: ReadonlyArray<Outcome<E>>
  /** The trials of each sweep, the best first; empty for a run without. */
  readonly comparisons: ReadonlyArray<Comparison>
  /** Artifact folder of each stage that has one. */
  readonly artifacts: Readonly<Record<string, string>>
}

/** Why a run could not begin. */
export type RunError = InvalidSettings | Plan.MissingInput | Code.UnreadableCode | StoreError | WorkspaceError

type Base = ExternalServices

/** Plans a run without running anything. */
export const plan = <Out extends Kind, E, R>(
  pipeline: Pipeline<Out, E, R>,
  options: Plan.Options = {}
): Effect.Effect<Plan.Plan, InvalidSettings | Plan.MissingInput | Code.UnreadableCode | StoreError, Base> =>
  Plan.make(pipeline, options)

/** The exit code that a command ends with: 0 succeeded, 1 a stage failed, 3 a gate failed. */
export const exitCode = (result: Result): 0 | 1 | 3 =>
  result.stages.some((stage) => stage.failure !== null)
    ? 1
    : result.stages.some((stage) => stage.gateFailure !== null)
      ? 3
      : 0

/** An identity that sorts by time: `20261122-175500-123-4f2a9c`. */
const newRun = (): string =>
  `${new Date().toISOString().replace(/[-:]/g, "").replace("T", "-").replace(".", "-").replace("Z", "")}-${Processes.unique().slice(0, 6)}`

const elapsed = (start: number): number => Math.round(performance.now() - start) / 1000

const runStages = Effect.fnUntraced(function* (
  planned: Plan.Plan,
  run: string,
  outcomes: Map<string, Outcome>,
  concurrency: number
) {
  const done = new Map<string, Deferred.Deferred<Outcome>>()
  for (const stage of planned.stages) done.set(stage.name, yield* Deferred.make<Outcome>())
  const places = yield* Semaphore.make(concurrency)
  const halted = yield* Ref.make(false)
  const one = Effect.fnUntraced(function* (stage: Plan.PlannedStage) {
    for (const name of Plan.waitsFor(stage)) yield* Deferred.await(done.get(name)!)
    const before = Plan.waitsFor(stage).map((name) => outcomes.get(name)!)
    const blocked = before.some(
      (outcome) =>
        outcome.failure !== null || outcome.gateFailure !== null || outcome.status === "interrupted"
    )
    // Without a failure among them, a stage still lacks an input when what feeds it was itself passed over.
    const inputs = Object.fromEntries(
      Object.entries(stage.node.inputs).map(([input, source]) => [input, outcomes.get(source.name)!.artifact])
    )
    const unfed = Object.values(inputs).some((artifact) => artifact === null)
    const outcome =
      stage.action === "skip" || blocked || unfed || ((yield* Ref.get(halted)) && stage.action === "run")
        ? leftOut(stage.name, stage.artifact ?? null)
        : yield* runStage({
            stage,
            inputs: inputs as Readonly<Record<string, Artifact>>,
            pipeline: planned.pipeline,
            run,
            halted
          }).pipe(Semaphore.withPermit(places))
    outcomes.set(stage.name, outcome)
    yield* Deferred.succeed(done.get(stage.name)!, outcome)
  })
  // Stages that wait for others take no place, so all of them are begun.
  yield* Effect.forEach(planned.stages, one, { concurrency: "unbounded", discard: true })
})

/** Opens the run's event stream; without a folder where the workspace is read-only and nothing is to be made. */
const openStream = Effect.fnUntraced(function* (run: string, makesNothing: boolean) {
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const streams = yield* EventStream
  const openAt = (directory: string | null) =>
    Effect.map(streams.open(run, directory), (stream) => ({ stream, directory }))
  return yield* openAt(path.join(workspace.runs, run)).pipe(
    Effect.catch((error) => (makesNothing && isReadOnly(error) ? openAt(null) : Effect.fail(error)))
  )
})

/** Publishes what is about to run, and removes what earlier runs left behind. */
const startRun = Effect.fnUntraced(function* (planned: Plan.Plan, options: Options) {
  const workspace = yield* Workspace
  const stream = yield* RunStream
  const compute = yield* ComputeIdentity
  yield* sweep()
  // The plan kept this only if the workspace was there already.
  yield* Code.remember(workspace.codeMemory)
  yield* Latest.prune(
    planned.pipeline,
    planned.stages.map((stage) => stage.name)
  )
  yield* stream.publish({
    type: "RunStarted",
    pipeline: planned.pipeline,
    workspace: workspace.root,
    process: process.pid,
    owner: yield* Processes.self,
    ...(options.command === undefined ? {} : { command: options.command }),
    backend: compute?.description ?? "",
    ...(planned.parameters.length === 0 ? {} : { parameters: planned.parameters }),
    stages: planned.stages.map((stage) => ({
      name: stage.name,
      runs: stage.action === "run",
      why: stage.why,
      after: Plan.waitsFor(stage),
      cacheKey: stage.cacheKey,
      config: stage.settings.encoded
    }))
  })
})

/** Keeps what the workspace holds of the store within its limit. */
const trimCache = Effect.fnUntraced(function* (planned: Plan.Plan) {
  const last = planned.stages.at(-1)
  const said = yield* StoreCache.trim()
  if (last !== undefined && said !== undefined) yield* Sharing.note(last.name, said)
})

type Status = "succeeded" | "failed" | "interrupted"

/** How all stages ended: those without an outcome were passed over by the plan or interrupted. */
const endingOf = (
  planned: Plan.Plan,
  outcomes: ReadonlyMap<string, Outcome>,
  status: Status,
  start: number
) => {
  const stages = planned.stages.map(
    (stage): Outcome =>
      outcomes.get(stage.name) ?? {
        ...leftOut(stage.name, stage.artifact ?? null),
        status: stage.action === "skip" ? "skipped" : "interrupted"
      }
  )
  const artifacts = Object.fromEntries(
    stages.flatMap(({ artifact, name }) => (artifact === null ? [] : [[name, artifact.directory] as const]))
  )
  return { status, seconds: elapsed(start), stages, artifacts }
}

const isBad = (outcome: Outcome) => outcome.failure !== null || outcome.gateFailure !== null

const runPlanned = Effect.fnUntraced(function* (planned: Plan.Plan, options: Options) {
  const compute = yield* ComputeIdentity
  const run = newRun()
  const start = performance.now()
  const makesNothing = planned.stages.every((stage) => stage.action !== "run")
  const { directory, stream } = yield* openStream(run, makesNothing)
  yield* startRun(planned, options).pipe(Effect.provideService(RunStream, stream))
  const outcomes = new Map<string, Outcome>()
  const finishRun = (status: Status) =>
    Effect.suspend(() => {
      const ending = endingOf(planned, outcomes, status, start)
      const stages = ending.stages.map(({ name, seconds, status }) => ({ name, status, seconds }))
      return Effect.as(stream.publish({ type: "RunFinished", ...ending, stages }), ending)
    })
  const work = Effect.scoped(
    Effect.gen(function* () {
      if (!makesNothing) yield* Health.sample(options.healthEvery ?? 5)
      yield* runStages(planned, run, outcomes, options.concurrency ?? planned.stages.length)
      yield* trimCache(planned)
    })
  ).pipe(
    Effect.withSpan(`run ${planned.pipeline}`, {
      attributes: {
        "trainyard.run": run,
        "trainyard.pipeline": planned.pipeline,
        "trainyard.backend": compute?.description ?? ""
      }
    }),
    Effect.provide(
      Layer.mergeAll(
        Layer.succeed(RunStream, stream),
        ComputeLimit.layer(Math.max(1, options.jobs ?? 1)),
        directory === null ? Layer.empty : Tracing.layer(directory)
      )
    )
  )
  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(restore(work))
      if (Exit.isFailure(exit)) {
        yield* finishRun(Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed")
        return yield* Effect.failCause(exit.cause)
      }
      const status = [...outcomes.values()].some(isBad) ? "failed" : "succeeded"
      const comparisons = yield* compare(planned, outcomes)
      for (const comparison of comparisons) yield* stream.publish({ type: "Comparison", ...comparison })
      const result: Result = { run, directory, comparisons, ...(yield* finishRun(status)), status }
      return result
    })
  )
}, Effect.scoped)

/** What running a pipeline needs: what its stages need, less what the runner gives them. */
export type Services<R> = Exclude<R, Journal | Scope.Scope> | Base | EventStream

/**
 * Runs a pipeline. Fails only when the run cannot begin; how its stages ended is in the result and in the event stream. When
 * interrupted, every finalizer runs, the stream says so, and nothing half-made is left in the store.
 */
export const run = <Out extends Kind, E, R>(
  pipeline: Pipeline<Out, E, R>,
  options: Options = {}
): Effect.Effect<Result<E>, RunError, Services<R>> =>
  Effect.flatMap(
    Plan.make(pipeline, options),
    // The graph holds its nodes without their types; these are the ones that the pipeline was inferred with.
    (planned) => runPlanned(planned, options) as Effect.Effect<Result<E>, WorkspaceError, Base | EventStream>
  )
