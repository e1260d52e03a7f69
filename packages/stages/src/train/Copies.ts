/**
 * Copies of the training state on disk, from which a checkpoint is made while training goes on: in the process they would take as
 * much memory as the state itself.
 */
import { join } from "node:path"
import { Effect, FileSystem } from "effect"
import { bytesOf, headerOf, type NamedTensor } from "../checkpoint/Safetensors.ts"
import { type File, writingPrefix } from "./CheckpointFolder.ts"
import { release } from "./release.ts"

/** A tensor that can be copied when its turn comes. */
export interface Source<E> extends Omit<NamedTensor, "values"> {
  readonly read: Effect.Effect<Float32Array, E>
}

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

let made = 0

/** One file, a tensor at a time. */
const toDisk = Effect.fnUntraced(function* <E>(path: string, { name, tensors }: Contents<E>) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(path, { flag: "wx" })
  const header = headerOf(tensors, { format: "pt" })
  yield* file.writeAll(header)
  let byteLength = header.byteLength
  for (const tensor of tensors) {
    const values = yield* tensor.read
    byteLength += values.byteLength
    yield* file.writeAll(bytesOf(values))
    release(values)
  }
  return { name, pieces: [{ path, byteLength }] } satisfies File
}, Effect.scoped)

const inMemory = Effect.fnUntraced(function* <E>({ name, tensors }: Contents<E>) {
  const pieces = [headerOf(tensors, { format: "pt" })]
  for (const tensor of tensors) pieces.push(bytesOf(yield* tensor.read))
  return { name, pieces } satisfies File
})

/**
 * Copies these tensors below `root`, as they are now. Where the disk refuses, the copies are kept in memory: saving then fails or
 * waits on its own account. What a killed process leaves behind goes the way of other unfinished checkpoints.
 */
export const make = <E>(root: string, contents: ReadonlyArray<Contents<E>>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = join(root, `${writingPrefix}copy-${process.pid}-${made++}`)
    const discard = Effect.ignore(fs.remove(directory, { recursive: true, force: true }))
    return yield* fs.makeDirectory(directory, { recursive: true }).pipe(
      Effect.andThen(Effect.forEach(contents, (each) => toDisk(join(directory, each.name), each))),
      Effect.map((files): Copy => ({ files, discard })),
      Effect.catchTag("PlatformError", () =>
        discard.pipe(
          Effect.andThen(Effect.forEach(contents, inMemory)),
          Effect.map((files): Copy => ({ files, discard: Effect.void }))
        )
      )
    )
  })
