/**
 * Disk-backed tensors, for the moving average of the weights and for the weights that it replaces during an evaluation. In memory both would
 * take as much as the weights, all the time: for the c-code pipeline (5.7 million parameters) that is 70 MB of resident memory.
 */
import { join } from "node:path"
import { sizeOf } from "@trainyard/backends/program/Program"
import { explain } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { bytesOf } from "../tensors/Safetensors.ts"
import { writingPrefix } from "./CheckpointFolder.ts"

/** The file of disk-backed tensors cannot be written or read. */
export class DiskTensorsUnusable extends Schema.TaggedError<DiskTensorsUnusable>()("DiskTensorsUnusable", {
  /** A sentence. */
  why: Schema.String
}) {
  override get message() {
    return `${/[.!?]$/.test(this.why) ? this.why : `${this.why}.`} Then run the same command again: training goes on from the last checkpoint.`
  }
}

export interface DiskTensors {
  /** A copy that the caller owns. */
  readonly read: (name: string) => Effect.Effect<Float32Array, DiskTensorsUnusable>
  readonly write: (name: string, values: Float32Array) => Effect.Effect<void, DiskTensorsUnusable>
  /** Changes a tensor in its place: `change` is given its numbers part by part, with the index of each part's first. */
  readonly change: (
    name: string,
    change: (part: Float32Array, first: number) => void
  ) => Effect.Effect<void, DiskTensorsUnusable>
}

const partBytes = 1 << 20

/**
 * A file for these tensors in a folder below `root`, removed with the scope. What a killed process leaves behind is removed like
 * unfinished checkpoints.
 */
export const make = Effect.fn("DiskTensors.make")(function* (
  root: string,
  tensors: ReadonlyArray<{ readonly name: string; readonly shape: ReadonlyArray<number> }>
) {
  const fs = yield* FileSystem.FileSystem
  const unusable = Effect.mapError(
    (error: PlatformError) =>
      new DiskTensorsUnusable({
        why: explain("Keeping the moving average of the weights", root)(error).message
      })
  )
  const directory = yield* Effect.acquireRelease(
    unusable(fs.makeTempDirectory({ directory: root, prefix: `${writingPrefix}tensors-` })),
    (directory) => Effect.ignore(fs.remove(directory, { recursive: true, force: true }))
  )
  const file = yield* unusable(fs.open(join(directory, "tensors"), { flag: "w+" }))
  const places = new Map<string, { readonly offset: number; readonly size: number }>()
  let end = 0
  for (const { name, shape } of tensors) {
    const size = sizeOf(shape)
    places.set(name, { offset: end, size })
    end += 4 * size
  }

  const fill = Effect.fnUntraced(function* (offset: number, bytes: Uint8Array) {
    for (let done = 0; done < bytes.byteLength; ) {
      const count = Number(
        yield* unusable(file.read(bytes.subarray(done), { position: BigInt(offset + done) }))
      )
      if (count === 0)
        return yield* new DiskTensorsUnusable({ why: `${directory} ended early: it was cut while in use.` })
      done += count
    }
  })
  const put = (offset: number, bytes: Uint8Array) =>
    unusable(Effect.andThen(file.seek(BigInt(offset), "start"), file.writeAll(bytes)))

  // One buffer for all changes.
  const part = new Float32Array(Math.min(partBytes, end) / 4)

  return {
    read: Effect.fnUntraced(function* (name) {
      const { offset, size } = places.get(name)!
      const values = new Float32Array(size)
      yield* fill(offset, bytesOf(values))
      return values
    }),
    write: (name, values) => put(places.get(name)!.offset, bytesOf(values)),
    change: Effect.fnUntraced(function* (name, change) {
      const { offset, size } = places.get(name)!
      for (let first = 0; first < size; first += part.length) {
        const some = part.subarray(0, Math.min(part.length, size - first))
        yield* fill(offset + 4 * first, bytesOf(some))
        change(some, first)
        yield* put(offset + 4 * first, bytesOf(some))
      }
    })
  } satisfies DiskTensors as DiskTensors
})
