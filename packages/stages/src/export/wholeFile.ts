/** A large file written a piece at a time: beside its place, flushed, then renamed. What stands in the place is whole, or what stood there before. */
import { syncDirectory } from "@trainyard/core/Durable"
import * as Processes from "@trainyard/core/Processes"
import { Effect, FileSystem, Path } from "effect"
import type { PlatformError } from "effect/PlatformError"

/** Where the pieces go, one after the other. */
export type Append = (bytes: Uint8Array) => Effect.Effect<void, PlatformError>

/** Writes a file by what `write` appends. Gives its size in bytes. Fails as `write` and the file system do, and then leaves nothing. */
export const writeWhole = Effect.fn("writeWhole")(function* <E, R>(
  file: string,
  write: (append: Append) => Effect.Effect<void, E, R>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const beside = `${file}.${Processes.unique()}.part`
  yield* fs.makeDirectory(path.dirname(file), { recursive: true })
  const bytes = yield* Effect.gen(function* () {
    const open = yield* fs.open(beside, { flag: "wx" })
    let size = 0
    yield* write((piece) => {
      size += piece.byteLength
      return open.writeAll(piece)
    })
    yield* open.sync
    return size
  }).pipe(
    Effect.scoped,
    Effect.tap(() => fs.rename(beside, file)),
    Effect.onError(() => fs.remove(beside, { force: true }).pipe(Effect.ignore))
  )
  yield* syncDirectory(path.dirname(file))
  return bytes
})
