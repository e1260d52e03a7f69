/**
 * The checkpoints of one training run: saved in the background from copies, with retries that are published, the last few and the best
 * kept (`CheckpointList`), the newest whole one found again.
 */
import { statfs } from "node:fs/promises"
import { Journal } from "@trainyard/core/Journal"
import { explain } from "@trainyard/core/Workspace"
import { Context, Effect, FileSystem, Schedule, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"
import * as BackgroundSaver from "./BackgroundSaver.ts"
import * as CheckpointFolder from "./CheckpointFolder.ts"
import * as CheckpointList from "./CheckpointList.ts"
import * as Copies from "./Copies.ts"
import { CheckpointFailed, type Snapshot } from "./Snapshot.ts"

/** Free bytes of the file system that holds a folder. */
export const FreeBytes = Context.Reference<(directory: string) => Effect.Effect<number>>(
  "@trainyard/stages/train/FreeBytes",
  {
    defaultValue: () => (directory) =>
      Effect.tryPromise(() => statfs(directory)).pipe(
        Effect.map((info) => info.bavail * info.bsize),
        // A file system that does not tell is no reason to stop.
        Effect.orElseSucceed(() => Number.POSITIVE_INFINITY)
      )
  }
)

/** How long to go on trying to save. */
export const SaveRetries = Context.Reference<Schedule.Schedule<unknown, unknown>>(
  "@trainyard/stages/train/SaveRetries",
  { defaultValue: () => Schedule.max([Schedule.exponential("250 millis", 3), Schedule.recurs(4)]) }
)

/** Less space is free on disk than training needs. Sizes in bytes. */
export class DiskTooSmall extends Schema.TaggedError<DiskTooSmall>()("DiskTooSmall", {
  directory: Schema.String,
  needed: Schema.Finite,
  free: Schema.Finite
}) {
  override get message() {
    return `Checkpoints in ${this.directory} need ${size(this.needed)} and ${size(this.free)} are free. Free some space, lower keepLast, or choose another workspace.`
  }
}

const size = (bytes: number): string =>
  bytes < 1e7 ? `${Math.ceil(bytes / 1e3).toLocaleString("en-US")} kB` : `${(bytes / 1e6).toFixed(0)} MB`

export interface Options {
  readonly root: string
  readonly keepLast: number
  /** Says why a checkpoint's content does not belong to this run, or undefined when it does. */
  readonly incompatible: (
    checkpoint: CheckpointFolder.Verified
  ) => Effect.Effect<string | undefined, never, FileSystem.FileSystem>
}

/** One sentence with the fix, for each way that a save fails. */
const whyNotSaved = (root: string, step: number, error: DiskTooSmall | PlatformError): string =>
  error._tag === "DiskTooSmall" ? error.message : explain(`Saving step ${step}`, root)(error).message

const saving = Effect.fnUntraced(function* ({ keepLast, root }: Options) {
  const fs = yield* FileSystem.FileSystem
  const journal = yield* Journal
  const freeBytes = yield* FreeBytes
  const retries = yield* SaveRetries
  let savedStep = -1

  const checkSpace = Effect.fnUntraced(function* (bytes: number) {
    const free = yield* freeBytes(root)
    // A little more than the files: folders and the marker take room as well.
    const needed = bytes * 1.02 + 65_536
    if (free < needed) return yield* new DiskTooSmall({ directory: root, needed, free })
  })

  const saveOnce = Effect.fnUntraced(function* ({ bestStep, files, step }: Snapshot) {
    const started = performance.now()
    yield* checkSpace(CheckpointFolder.bytesOf(files))
    const directory = yield* CheckpointList.freeFolder(root, step)
    const bytes = yield* CheckpointFolder.write(directory, step, files)
    savedStep = step
    const seconds = (performance.now() - started) / 1000
    yield* journal.publish({
      type: "Saved",
      step,
      directory,
      best: bestStep === step,
      bytes,
      seconds
    })
  })

  const fault = (kind: "checkpoint-save" | "checkpoint-remove", message: string, action: string) =>
    journal.publish({ type: "Fault", kind, message, action })

  const save = (snapshot: Snapshot): Effect.Effect<void, CheckpointFailed> => {
    const { bestStep, discard, rollbackStep, step } = snapshot
    return saveOnce(snapshot).pipe(
      Effect.tapError((error) =>
        fault(
          "checkpoint-save",
          `The checkpoint of step ${step} was not saved. ${whyNotSaved(root, step, error)}`,
          "tried again a few times, then training stops"
        )
      ),
      Effect.retry(retries),
      Effect.mapError(
        (error) => new CheckpointFailed({ step, directory: root, why: whyNotSaved(root, step, error) })
      ),
      Effect.andThen(
        CheckpointList.retain(root, keepLast, [bestStep, rollbackStep]).pipe(
          Effect.catch((error) =>
            fault(
              "checkpoint-remove",
              `Old checkpoints in ${root} could not be removed: ${error.message}`,
              "left where they are"
            )
          )
        )
      ),
      Effect.ensuring(discard),
      Effect.provideService(FileSystem.FileSystem, fs),
      Effect.withSpan("checkpoint", { attributes: { step } })
    )
  }
  return { checkSpace, save, savedStep: () => savedStep }
})

export type Checkpoints = Effect.Success<ReturnType<typeof make>>

/** Opens (or makes) the folder of a run's checkpoints. */
export const make = Effect.fn("Checkpoints.make")(function* (options: Options) {
  const fs = yield* FileSystem.FileSystem
  const { incompatible, root } = options
  yield* fs.makeDirectory(root, { recursive: true })
  yield* CheckpointFolder.sweep(root)
  const { checkSpace, save, savedStep } = yield* saving(options)
  const { busy, check, offer, settle } = BackgroundSaver.make(save, yield* Effect.scope)
  return {
    /** Fails with `DiskTooSmall` where fewer bytes are free. */
    checkSpace,
    /** Copies tensors as they are now, to be saved while they change. */
    copy: <E>(contents: ReadonlyArray<Copies.Contents<E>>) =>
      Effect.provideService(Copies.make(root, contents), FileSystem.FileSystem, fs),
    check,
    settle,
    busy,
    offer,
    /** Newest step that is safe on disk, -1 when none is. */
    savedStep,
    /** Saves and waits for it. */
    saveNow: (snapshot: Snapshot): Effect.Effect<void, CheckpointFailed> =>
      Effect.andThen(settle, save(snapshot)),
    /** The newest whole checkpoint of this run that `wanted` accepts, and those that were skipped, with the reason. */
    newest: (wanted: (step: number) => boolean = () => true) =>
      CheckpointList.newest(root, wanted, incompatible),
    /** Removes every checkpoint after `step`. */
    removeAfter: (step: number) => CheckpointList.removeAfter(root, step)
  }
})
