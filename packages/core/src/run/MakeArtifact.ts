/**
 * How a stage's artifact comes to be: the one that is there, or a new one, made under its lock, with retries, in a folder of its own that
 * becomes the artifact or vanishes.
 */
import {
  Cause,
  Data,
  Duration,
  Effect,
  Exit,
  FileSystem,
  Path,
  Pull,
  Ref,
  Schedule,
  type Scope
} from "effect"
import { RunStream } from "../events/EventStream.ts"
import type { PlannedStage } from "../graph/Plan.ts"
import type { Artifact, Kind } from "../store/Artifact.ts"
import * as Folders from "../store/Folders.ts"
import * as Lock from "../store/Lock.ts"
import * as Store from "../store/Store.ts"
import { SharedStore } from "../store/shared/SharedStore.ts"
import { explain, temporaryDirectory, Workspace } from "../store/Workspace.ts"
import * as Failure from "./Failure.ts"
import { Journal } from "./Journal.ts"
import { type Executor, RemoteExecutor, RemoteFailure } from "./RemoteExecutor.ts"
import * as SharedSaving from "./SharedSaving.ts"
import * as Sharing from "./Sharing.ts"

/** A planned stage with what it is given. */
export interface Job {
  readonly stage: PlannedStage
  readonly inputs: Readonly<Record<string, Artifact>>
  readonly pipeline: string
  readonly run: string
  /** Whether a stage has failed, after which no other begins. */
  readonly halted: Ref.Ref<boolean>
  /** Whether an earlier attempt of this run has begun it: a forced stage then goes on with what that attempt kept. */
  readonly begun?: boolean
}

/** A stage that did not begin, because another one failed while it waited. */
export class NotBegun extends Data.TaggedError("NotBegun") {}

export interface Beginning extends Job {
  /** Done once before the stage is made: it waits for its turn, and fails when there is nothing to begin any more. */
  readonly begin: Effect.Effect<void, NotBegun>
  /** Done when another process begins with the stage. */
  readonly onBegin?: Effect.Effect<void>
}

export interface Made {
  readonly artifact: Artifact
  readonly status: "ran" | "cached"
}

/** One attempt: an empty folder, the stage's Effect, and the artifact. */
const attempt = Effect.fnUntraced(function* ({ inputs, pipeline, run, stage }: Job, number: number) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const stream = yield* RunStream
  const start = performance.now()
  const output = yield* temporaryDirectory(stage.name)
  const scratch = path.join(workspace.scratch, stage.cacheKey)
  yield* Effect.acquireRelease(
    Folders.make(scratch).pipe(Effect.mapError(explain(`Making a folder for ${stage.name}`, workspace.root))),
    // Scratch in which nothing was kept is of no use to a later attempt.
    () =>
      fs.readDirectory(scratch).pipe(
        Effect.flatMap((kept) => (kept.length === 0 ? fs.remove(scratch, { recursive: true }) : Effect.void)),
        Effect.ignore
      )
  )
  yield* Sharing.bringInputs(stage.name, inputs)
  const saving = yield* SharedSaving.begin(
    { cacheKey: stage.cacheKey, stage: stage.name, pipeline, run, scratch },
    stage.forced && stage.node.stage.reusable
  )
  yield* Effect.annotateCurrentSpan("trainyard.attempt", number)
  // The graph holds its stages without their requirements; the run's own type has brought them here.
  const work = stage.node.run({
    name: stage.name,
    inputs,
    config: stage.settings.config,
    output,
    scratch,
    code: stage.keyParts.code.digest
  }) as Effect.Effect<never, unknown, Journal | Scope.Scope>
  // A stage may be plain JavaScript, which no compiler has looked at.
  if (!Effect.isEffect(work)) {
    return yield* Effect.die(
      new TypeError(
        "its run gives no Effect. Write it with Effect.fn, or wrap a promise as Effect.promise(() => …)"
      )
    )
  }
  const value = yield* work.pipe(
    Effect.provideService(Journal, {
      publish: (event) =>
        Effect.andThen(stream.publish({ type: "Stage", stage: stage.name, event }), saving.tell(event))
    }),
    Effect.scoped
  )
  yield* saving.stop
  const artifact = yield* Store.write<Kind<string, never>>(output, {
    kind: stage.node.kind as Kind<string, never>,
    value,
    cacheKey: stage.cacheKey,
    keyParts: stage.keyParts,
    pipeline,
    node: stage.name,
    run,
    seconds: (performance.now() - start) / 1000
  })
  yield* fs.remove(scratch, { recursive: true, force: true }).pipe(Effect.ignore)
  return yield* Sharing.keep(stage, artifact as Artifact, true)
}, Effect.scoped)

/** Attempts until one succeeds, an error is final, or the stage's Schedule has no more to give. */
const attempts = Effect.fnUntraced(function* (job: Beginning, why: string) {
  const stream = yield* RunStream
  const { name, node } = job.stage
  const next = node.retry === undefined ? undefined : yield* Schedule.toStepWithMetadata(node.retry)
  yield* job.begin
  for (let number = 1; ; number++) {
    yield* stream.publish({ type: "StageStarted", stage: name, why, attempt: number })
    const exit = yield* Effect.exit(attempt(job, number))
    if (Exit.isSuccess(exit)) return exit.value
    const reason = exit.cause.reasons.find(Cause.isFailReason)
    if (next === undefined || reason === undefined || !Failure.isTransient(reason.error)) {
      return yield* Effect.failCause(exit.cause)
    }
    const delay = yield* next(reason.error).pipe(
      Effect.map((metadata) => metadata.duration),
      Pull.catchDone(() => Effect.succeed(undefined)),
      Effect.orElseSucceed(() => undefined)
    )
    if (delay === undefined) return yield* Effect.failCause(exit.cause)
    const failure = Failure.of(name, exit.cause)
    yield* stream.publish({
      type: "StageRetried",
      stage: name,
      attempt: number + 1,
      error: failure.error,
      message: failure.message,
      delaySeconds: Duration.toSeconds(delay)
    })
    yield* Effect.sleep(delay)
  }
})

/** Makes the artifact under its lock; or finds that another process has made it while this one waited. */
const make = Effect.fnUntraced(function* (job: Beginning) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const stream = yield* RunStream
  const { stage } = job
  const lock = yield* Lock.acquire(stage.cacheKey, (holder, hint) =>
    stream.publish({
      type: "StageWaiting",
      stage: stage.name,
      holder,
      ...(hint === undefined ? {} : { hint })
    })
  )
  // Whoever waited for another process to make this very artifact has it fresh, forced or not.
  const wanted = !stage.forced || (lock.waited && stage.node.stage.reusable)
  const found = wanted ? yield* Sharing.bring(stage) : undefined
  if (found?._tag === "Whole") {
    const artifact = yield* Sharing.keep(stage, found.artifact, false)
    const made: Made = { artifact, status: "cached" }
    return made
  }
  if (found?._tag === "Damaged")
    yield* Sharing.fault(
      stage.name,
      "damaged artifact",
      `The artifact of ${stage.name} is not whole: ${found.problem}`,
      "it is made again"
    )
  // A stage that runs every time goes on with what an interrupted attempt kept; only who asks for all anew loses it.
  if (stage.forced && stage.node.stage.reusable && job.begun !== true) {
    yield* fs
      .remove(path.join(workspace.scratch, stage.cacheKey), { recursive: true, force: true })
      .pipe(Effect.ignore)
  }
  const made: Made = { artifact: yield* Effect.raceFirst(attempts(job, stage.why), lock.lost), status: "ran" }
  return made
}, Effect.scoped)

// A shared folder of another machine may show what was written there a little later.
const seenWithin = { attempts: 20, wait: "250 millis" } as const

/** Has the artifact made by another process, and opens it. */
const makeRemotely = Effect.fnUntraced(function* (job: Beginning, executor: Executor) {
  const { stage } = job
  yield* job.begin
  const ended = yield* executor.make({
    stage,
    pipeline: job.pipeline,
    run: job.run,
    halted: Ref.get(job.halted),
    onBegin: job.onBegin ?? Effect.void
  })
  if (ended === "taken back") return yield* new NotBegun()
  const open = Sharing.present(stage, "sizes")
  let found = yield* open
  for (let attempt = 1; found._tag !== "Whole" && attempt < seenWithin.attempts; attempt++) {
    yield* Effect.sleep(seenWithin.wait)
    found = yield* open
  }
  if (found._tag === "Whole") {
    const made: Made = { artifact: found.artifact, status: ended }
    return made
  }
  const { root } = yield* Workspace
  const shared = yield* SharedStore
  return yield* new RemoteFailure({
    error: "MissingArtifact",
    message: `A worker has made ${stage.name}, but its artifact is not in ${shared?.objects.address ?? root}: let the workers and this run use the same store.`,
    details: null
  })
})

const makeAnywhere = Effect.fnUntraced(function* (job: Beginning) {
  const executor = yield* RemoteExecutor
  return yield* executor === undefined ? make(job) : makeRemotely(job, executor)
})

/** The planned artifact if it still stands (an earlier stage may have cleaned it away), else a new one. */
export const reuseOrMake = Effect.fnUntraced(function* (job: Beginning) {
  if (job.stage.action === "reuse") {
    // One that the plan found damaged here may have the right sizes.
    const found = yield* Sharing.present(job.stage, job.stage.damage === undefined ? "sizes" : "digests")
    if (found._tag === "Whole") {
      const artifact = yield* Sharing.keep(job.stage, found.artifact, false)
      const made: Made = { artifact, status: "cached" }
      return made
    }
    // Anew it would have another name, and what follows is planned with this one.
    if (job.stage.adopted !== undefined) {
      const { directory } = job.stage.artifact!
      const problem = found._tag === "Damaged" ? found.problem : "it is not there"
      return yield* new Store.ArtifactError({
        directory,
        reason: found._tag === "Damaged" ? "damaged" : "missing",
        problem,
        message: `The artifact that was adopted, ${directory}, went away during the run: ${problem}. Run again: it is then made anew.`
      })
    }
    return yield* makeAnywhere({
      ...job,
      stage: { ...job.stage, why: "its artifact went away during the run" }
    })
  }
  return yield* makeAnywhere(job)
})
