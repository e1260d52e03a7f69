/** The checkpoint folders of one training run: their names, which is the newest, and which are removed. */
import { join } from "node:path"
import { Effect, FileSystem } from "effect"
import * as CheckpointFolder from "./CheckpointFolder.ts"

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

/** A folder for a checkpoint of this step that no other has. */
export const freeFolder = Effect.fnUntraced(function* (root: string, step: number) {
  const turns = (yield* list(root)).filter((folder) => folder.step === step).map((folder) => folder.turn)
  const name = `step-${String(step).padStart(7, "0")}`
  return join(root, turns.length === 0 ? name : `${name}.${Math.max(...turns) + 1}`)
})

/** Removes all checkpoints but the last few, and those of the steps in `keep`. */
export const retain = Effect.fnUntraced(function* (
  root: string,
  keepLast: number,
  keep: ReadonlyArray<number | null>
) {
  const folders = yield* list(root)
  const steps = [...new Set(folders.map((folder) => folder.step))]
  const kept = new Set([...steps.slice(0, keepLast), ...keep])
  const seen = new Set<number>()
  for (const folder of folders) {
    const newestOfStep = !seen.has(folder.step)
    seen.add(folder.step)
    if (!newestOfStep || !kept.has(folder.step)) yield* CheckpointFolder.remove(folder.directory)
  }
})

/**
 * The newest whole checkpoint that `wanted` accepts, and the newer ones that were skipped, with the reason. `reject` says why a checkpoint
 * does not belong to this run, or undefined when it does.
 */
export const newest = Effect.fn("CheckpointList.newest")(function* <R>(
  root: string,
  wanted: (step: number) => boolean,
  reject: (checkpoint: CheckpointFolder.Verified) => Effect.Effect<string | undefined, never, R>
) {
  const skipped: Array<{ readonly directory: string; readonly why: string }> = []
  for (const folder of yield* list(root)) {
    if (!wanted(folder.step)) continue
    const found = yield* Effect.result(CheckpointFolder.read(folder.directory))
    const why =
      found._tag === "Failure"
        ? found.failure.why
        : found.success.step !== folder.step
          ? `it says that it is of step ${found.success.step}`
          : yield* reject(found.success)
    if (found._tag === "Success" && why === undefined) return { checkpoint: found.success, skipped }
    skipped.push({ directory: folder.directory, why: why ?? "it is damaged" })
  }
  return { checkpoint: undefined, skipped }
})

/** Removes every checkpoint after `step`, the newest first, so that a kill in between leaves an earlier whole state. */
export const removeAfter = Effect.fn("CheckpointList.removeAfter")(function* (root: string, step: number) {
  for (const folder of yield* list(root))
    if (folder.step > step) yield* CheckpointFolder.remove(folder.directory)
})
