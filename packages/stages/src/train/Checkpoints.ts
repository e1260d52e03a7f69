/**
 * The checkpoints of one training run: saved in the background from copies, retried loudly, the last few and the best kept, the
 * newest whole one found again.
 */
import { statfs } from "node:fs/promises"
import { join } from "node:path"
import { Journal } from "@trainyard/core/Journal"
import { explain } from "@trainyard/core/Workspace"
import { Context, Effect, Fiber, FileSystem, Schedule, Schema, type Scope } from "effect"
import type { PlatformError } from "effect/PlatformError"
import * as CheckpointFolder from "./CheckpointFolder.ts"
import * as Copies from "./Copies.ts"

/** Free bytes of the file system that holds a folder. */
export const FreeBytes = Context.Reference<(directory: string) => Effect.Effect<number>>(
  "@trainyard/stages/train/FreeBytes",
  {
    defaultValue: () => (directory) =>
      Effect.tryPromise(() => statfs(directory)).pipe(
        Effect.map((info) => info.bavail * info.bsize),
        // A file system that will not say is not a reason to stop.
        Effect.orElseSucceed(() => Number.POSITIVE_INFINITY)
      )
  }
)

/** How long to go on trying to save. */
export const SaveRetries = Context.Reference<Schedule.Schedule<unknown, unknown>>(
  "@trainyard/stages/train/SaveRetries",
  { defaultValue: () => Schedule.max([Schedule.exponential("250 millis", 3), Schedule.recurs(4)]) }
)

/** A checkpoint could not be saved, after all retries. */
export class CheckpointFailed extends Schema.TaggedError<CheckpointFailed>()("CheckpointFailed", {
  step: Schema.Int,
  directory: Schema.String,
  /** A sentence. */
  why: Schema.String
}) {
  override get message() {
    return `The checkpoint of step ${this.step} was not saved. ${this.why} Then run the same command again: training goes on from the last checkpoint.`
  }
}

/** There is not the room on disk that training will need. */
export class DiskTooSmall extends Schema.TaggedError<DiskTooSmall>()("DiskTooSmall", {
  directory: Schema.String,
  needed: Schema.Finite,
  free: Schema.Finite
}) {
  override get message() {
    return `Checkpoints in ${this.directory} need ${size(this.needed)} and ${size(this.free)} are free. Free some space, lower keepLast, or choose another --workspace.`
  }
}

const size = (bytes: number): string =>
  bytes < 1e7 ? `${Math.ceil(bytes / 1e3).toLocaleString("en-US")} kB` : `${(bytes / 1e6).toFixed(0)} MB`

/** One state to save. */
export interface Snapshot extends Copies.Copy {
  readonly step: number
  /** Step of the best evaluation so far, whose checkpoint is kept. */
  readonly bestStep: number | null
  /** Newest step that a rollback would return to, whose checkpoint is kept. */
  readonly anchorStep: number | null
}

export interface Options {
  readonly root: string
  readonly keepLast: number
  /** Says why a checkpoint's content does not belong to this run, or undefined when it does. */
  readonly foreign: (
    checkpoint: CheckpointFolder.Verified
  ) => Effect.Effect<string | undefined, never, FileSystem.FileSystem>
}

const folderPattern = /^step-(\d+)(?:\.(\d+))?$/

/** Checkpoint folders under a root, newest first. A step saved twice has two folders; the later one counts as newer. */
const list = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  return (yield* fs.readDirectory(root))
    .flatMap((name) => {
      const match = folderPattern.exec(name)
      return match === null
        ? []
        : [{ directory: join(root, name), step: Number(match[1]), turn: Number(match[2] ?? 0) }]
    })
    .sort((a, b) => b.step - a.step || b.turn - a.turn)
})

export type Checkpoints = Effect.Success<ReturnType<typeof make>>

/** Opens (or makes) the folder of a run's checkpoints. */
export const make = Effect.fn("Checkpoints.make")(function* (options: Options) {
  const fs = yield* FileSystem.FileSystem
  const journal = yield* Journal
  const freeBytes = yield* FreeBytes
  const retries = yield* SaveRetries
  const scope: Scope.Scope = yield* Effect.scope
  const { root } = options
  yield* fs.makeDirectory(root, { recursive: true })
  yield* CheckpointFolder.sweep(root)

  let running: Fiber.Fiber<void, CheckpointFailed> | undefined
  let waiting: Snapshot | undefined
  let failure: CheckpointFailed | undefined
  let savedStep = -1

  const spaceFor = Effect.fnUntraced(function* (bytes: number) {
    const free = yield* freeBytes(root)
    // A little more than the files: folders and the marker take room as well.
    const needed = bytes * 1.02 + 65_536
    if (free < needed) return yield* new DiskTooSmall({ directory: root, needed, free })
  })

  /** Removes all but the last few, the best, and the one that a rollback would return to. */
  const retain = Effect.fnUntraced(function* (snapshot: Snapshot) {
    const folders = yield* list(root)
    const steps = [...new Set(folders.map((folder) => folder.step))]
    const kept = new Set([...steps.slice(0, options.keepLast), snapshot.bestStep, snapshot.anchorStep])
    const seen = new Set<number>()
    for (const folder of folders) {
      const newestOfStep = !seen.has(folder.step)
      seen.add(folder.step)
      if (!newestOfStep || !kept.has(folder.step)) yield* CheckpointFolder.remove(folder.directory)
    }
  })

  const place = Effect.fnUntraced(function* (step: number) {
    const turns = (yield* list(root)).filter((folder) => folder.step === step).map((folder) => folder.turn)
    const name = `step-${String(step).padStart(7, "0")}`
    return join(root, turns.length === 0 ? name : `${name}.${Math.max(...turns) + 1}`)
  })

  /** One sentence with the mend, whichever way a save failed. */
  const sentence = (step: number, error: DiskTooSmall | PlatformError): string =>
    error._tag === "DiskTooSmall" ? error.message : explain(`Saving step ${step}`, root)(error).message

  const saveOnce = Effect.fnUntraced(function* (snapshot: Snapshot) {
    const started = performance.now()
    yield* spaceFor(CheckpointFolder.bytesOf(snapshot.files))
    const directory = yield* place(snapshot.step)
    const bytes = yield* CheckpointFolder.write(directory, snapshot.step, snapshot.files)
    savedStep = snapshot.step
    const seconds = (performance.now() - started) / 1000
    yield* journal.publish({
      type: "Saved",
      step: snapshot.step,
      directory,
      best: snapshot.bestStep === snapshot.step,
      bytes,
      seconds
    })
  })

  const save = (snapshot: Snapshot): Effect.Effect<void, CheckpointFailed> =>
    saveOnce(snapshot).pipe(
      Effect.tapError((error) =>
        journal.publish({
          type: "Fault",
          kind: "checkpoint-save",
          message: `The checkpoint of step ${snapshot.step} was not saved. ${sentence(snapshot.step, error)}`,
          action: "tried again a few times, then training stops"
        })
      ),
      Effect.retry(retries),
      Effect.mapError(
        (error) =>
          new CheckpointFailed({
            step: snapshot.step,
            directory: root,
            why: sentence(snapshot.step, error)
          })
      ),
      Effect.andThen(
        retain(snapshot).pipe(
          Effect.catch((error) =>
            journal.publish({
              type: "Fault",
              kind: "checkpoint-remove",
              message: `Old checkpoints in ${root} could not be removed: ${error.message}`,
              action: "left where they are"
            })
          )
        )
      ),
      Effect.ensuring(snapshot.discard),
      Effect.provideService(FileSystem.FileSystem, fs),
      Effect.withSpan("checkpoint", { attributes: { step: snapshot.step } })
    )

  /** Saves this snapshot and then whatever waits, in a fiber of its own. */
  const start = (first: Snapshot): Effect.Effect<void> =>
    Effect.gen(function* () {
      let next: Snapshot | undefined = first
      while (next !== undefined) {
        yield* save(next)
        next = waiting
        waiting = undefined
        // In one breath with looking for the next one, so that an offer finds either a saver or none.
        if (next === undefined) running = undefined
      }
    }).pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          failure = error
          running = undefined
        })
      ),
      Effect.forkIn(scope),
      Effect.flatMap((fiber) =>
        Effect.sync(() => {
          running = fiber
        })
      )
    )

  /** Fails when a save in the background has failed for good. */
  const check = Effect.suspend(() => (failure === undefined ? Effect.void : Effect.fail(failure)))

  /** Waits until nothing is being saved. */
  const settle: Effect.Effect<void, CheckpointFailed> = Effect.suspend(() =>
    running === undefined ? check : Fiber.await(running).pipe(Effect.andThen(Effect.suspend(() => settle)))
  )

  return {
    spaceFor,
    /** Copies tensors as they are now, to be saved while they change. */
    copy: <E>(contents: ReadonlyArray<Copies.Contents<E>>) =>
      Effect.provideService(Copies.make(root, contents), FileSystem.FileSystem, fs),
    check,
    settle,
    /** Whether a save is under way. */
    busy: () => running !== undefined,
    /** Newest step that is safe on disk, -1 when none is. */
    savedStep: () => savedStep,
    /** Saves in the background. While a save is under way the newest best snapshot waits its turn, and any other gives way. */
    offer: (snapshot: Snapshot): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (running === undefined) return start(snapshot)
        let passed: Snapshot | undefined = snapshot
        if (
          waiting === undefined ||
          waiting.bestStep !== waiting.step ||
          snapshot.bestStep === snapshot.step
        ) {
          passed = waiting
          waiting = snapshot
        }
        return passed?.discard ?? Effect.void
      }),
    /** Saves and waits for it. */
    saveNow: (snapshot: Snapshot): Effect.Effect<void, CheckpointFailed> =>
      settle.pipe(Effect.andThen(save(snapshot))),
    /** The newest whole checkpoint of this run that `wanted` accepts, and those that were passed over, with the reason. */
    newest: Effect.fn("Checkpoints.newest")(function* (wanted: (step: number) => boolean = () => true) {
      const skipped: Array<{ readonly directory: string; readonly why: string }> = []
      for (const folder of yield* list(root)) {
        if (!wanted(folder.step)) continue
        const found = yield* Effect.result(CheckpointFolder.read(folder.directory))
        const why =
          found._tag === "Failure"
            ? found.failure.why
            : found.success.step !== folder.step
              ? `it says that it is of step ${found.success.step}`
              : yield* options.foreign(found.success)
        if (found._tag === "Success" && why === undefined) return { checkpoint: found.success, skipped }
        skipped.push({ directory: folder.directory, why: why ?? "it is damaged" })
      }
      return { checkpoint: undefined, skipped }
    }),
    /** Removes every checkpoint after `step`, the newest first, so that a kill in between leaves an earlier true state. */
    forgetAfter: Effect.fn("Checkpoints.forgetAfter")(function* (step: number) {
      for (const folder of yield* list(root))
        if (folder.step > step) yield* CheckpointFolder.remove(folder.directory)
    })
  }
})
