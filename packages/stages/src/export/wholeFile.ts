/** A large file written a piece at a time: beside its place, flushed, then renamed. What stands in the place is whole, or what stood there before. */
import { syncDirectory } from "@trainyard/core/Durable"
import * as Processes from "@trainyard/core/Processes"
import { Effect, FileSystem, Option, Path } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { ExportImpossible } from "./ExportImpossible.ts"

/** Where the pieces go, one after the other. */
export type Append = (bytes: Uint8Array) => Effect.Effect<void, PlatformError>

/** A place where no file can be put. */
const unwritable = (file: string) => (error: PlatformError) =>
  new ExportImpossible({
    message: `${file} cannot be written (${error.reason._tag}). Name a file in a folder that may be written.`
  })

/**
 * Writes a file by what `write` appends; folders that are not there are made. Gives its size in bytes. Fails with `ExportImpossible` where no file
 * can be put, and as `write` and the file system do; then what stood there still stands there.
 */
export const writeWhole = Effect.fn("writeWhole")(function* <E, R>(
  file: string,
  write: (append: Append) => Effect.Effect<void, E, R>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const orUnwritable = Effect.mapError(unwritable(file))
  const there = yield* fs.stat(file).pipe(Effect.option)
  if (Option.isSome(there) && there.value.type === "Directory")
    return yield* new ExportImpossible({ message: `${file} is a folder. Name a file.` })
  yield* orUnwritable(fs.makeDirectory(path.dirname(file), { recursive: true }))
  const beside = `${file}.${Processes.unique()}.part`
  const bytes = yield* Effect.gen(function* () {
    const open = yield* orUnwritable(fs.open(beside, { flag: "wx" }))
    let size = 0
    yield* write((piece) => {
      size += piece.byteLength
      return open.writeAll(piece)
    })
    yield* open.sync
    return size
  }).pipe(
    Effect.scoped,
    Effect.tap(() => orUnwritable(fs.rename(beside, file))),
    Effect.onError(() => fs.remove(beside, { force: true }).pipe(Effect.ignore))
  )
  yield* syncDirectory(path.dirname(file))
  return bytes
})
