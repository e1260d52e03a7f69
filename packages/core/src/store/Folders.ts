/** Making a folder with those above it, one at a time. */
import { Effect, FileSystem, Path, type PlatformError } from "effect"

/**
 * Makes a folder and those above it that are missing. Node's own recursive way asks for ever, at a full core, where a file system
 * answers "no such file" although the parent is there, as /proc does; this one hands that answer on.
 */
export const make: (
  directory: string
) => Effect.Effect<void, PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> = Effect.fnUntraced(
  function* (directory: string) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const isFolder = (name: string) => Effect.map(fs.stat(name), ({ type }) => type === "Directory")
    const parent = path.dirname(directory)
    const once = fs.makeDirectory(directory).pipe(
      Effect.catchTag("PlatformError", (error) =>
        // Another process may have made it meanwhile.
        Effect.flatMap(isFolder(directory).pipe(Effect.orElseSucceed(() => false)), (there) =>
          there ? Effect.void : Effect.fail(error)
        )
      )
    )
    yield* once.pipe(
      Effect.catchTag("PlatformError", (error) =>
        error.reason._tag !== "NotFound" || parent === directory
          ? Effect.fail(error)
          : // Where the parent is there, another process has made it since, or this file system refuses: asking once more tells which.
            Effect.flatMap(isFolder(parent).pipe(Effect.orElseSucceed(() => false)), (there) =>
              Effect.andThen(there ? Effect.void : make(parent), once)
            )
      )
    )
  }
)
