/**
 * Copies of the training state on disk, from which a checkpoint is made while training goes on. In memory they would take as much as the
 * state itself: for the c-code pipeline (5.7 million parameters) that is 130 MB of resident memory.
 */
import { join } from "node:path"
import { Effect, FileSystem } from "effect"
import { bytesOf, headerOf, type Source } from "../tensors/Safetensors.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import { type File, writingPrefix } from "./CheckpointFolder.ts"

/** A safetensors file to be. */
export interface Contents<E> {
  readonly name: string
  readonly tensors: ReadonlyArray<Source<E>>
}

export interface Copy {
  readonly files: ReadonlyArray<File>
  /** Removes it from the disk. */
  readonly discard: Effect.Effect<void>
}

const metadata = { format: "pt" }

const toDisk = <E>(path: string, { name, tensors }: Contents<E>) =>
  Effect.map(
    TensorFile.write(path, tensors, metadata),
    (byteLength): File => ({ name, pieces: [{ path, byteLength }] })
  )

const inMemory = Effect.fnUntraced(function* <E>({ name, tensors }: Contents<E>) {
  const pieces = [headerOf(tensors, metadata)]
  for (const tensor of tensors) pieces.push(bytesOf(yield* tensor.read))
  return { name, pieces } satisfies File
})

/**
 * Copies these tensors below `root`, as they are now. Where the disk refuses, the copies are kept in memory, and the save that follows
 * reports the failure. What a killed process leaves behind is removed like other unfinished checkpoints.
 */
export const make = <E>(root: string, contents: ReadonlyArray<Contents<E>>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const onDisk = Effect.gen(function* () {
      const directory = yield* fs.makeTempDirectory({ directory: root, prefix: `${writingPrefix}copy-` })
      const discard = Effect.ignore(fs.remove(directory, { recursive: true, force: true }))
      const files = yield* Effect.forEach(contents, (each) => toDisk(join(directory, each.name), each)).pipe(
        Effect.tapError(() => discard)
      )
      return { files, discard } satisfies Copy as Copy
    })
    return yield* Effect.catchTag(onDisk, "PlatformError", () =>
      Effect.map(Effect.forEach(contents, inMemory), (files): Copy => ({ files, discard: Effect.void }))
    )
  })
