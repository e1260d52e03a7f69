import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, FileSystem, Path, PlatformError } from "effect"
import * as Folders from "../../src/store/Folders.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { live } from "../harness.ts"

/** A file system that says of each new folder that there is no such file, as /proc does. */
const refusing = Effect.map(FileSystem.FileSystem, (fs) =>
  FileSystem.FileSystem.of({
    ...fs,
    makeDirectory: (directory) =>
      Effect.fail(
        PlatformError.systemError({
          _tag: "NotFound",
          module: "FileSystem",
          method: "makeDirectory",
          pathOrDescriptor: directory
        })
      )
  })
)

describe("make", () => {
  it.live("makes what is missing, for several at once, and minds no folder that is there", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const { root } = yield* Workspace
      const directory = path.join(root, "a", "b", "c")
      yield* Effect.all([Folders.make(directory), Folders.make(directory), Folders.make(directory)], {
        concurrency: "unbounded"
      })
      yield* Folders.make(directory)
      expect((yield* fs.stat(directory)).type).toBe("Directory")
    }).pipe(Effect.provide(live))
  )

  it.live("makes a folder whose parent another process makes in between", () =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const fs = yield* FileSystem.FileSystem
      const { root } = yield* Workspace
      yield* Folders.make(root)
      const parent = path.join(root, "parent")
      // The first attempt finds no parent; before anything else is asked, it is there.
      let asked = 0
      const racing = FileSystem.FileSystem.of({
        ...fs,
        makeDirectory: (directory, options) =>
          fs
            .makeDirectory(directory, options)
            .pipe(
              Effect.onError(() => (asked++ === 0 ? Effect.ignore(fs.makeDirectory(parent)) : Effect.void))
            )
      })
      yield* Folders.make(path.join(parent, "child")).pipe(
        Effect.provideService(FileSystem.FileSystem, racing)
      )
      expect((yield* fs.stat(path.join(parent, "child"))).type).toBe("Directory")
    }).pipe(Effect.provide(live))
  )

  it.live("fails where a file stands in the way", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const { root } = yield* Workspace
      yield* Folders.make(root)
      yield* fs.writeFileString(path.join(root, "file"), "")
      expect(Exit.isFailure(yield* Effect.exit(Folders.make(path.join(root, "file"))))).toBe(true)
      expect(Exit.isFailure(yield* Effect.exit(Folders.make(path.join(root, "file", "below"))))).toBe(true)
    }).pipe(Effect.provide(live))
  )

  it.live("ends where the file system will not have a folder though the parent is there", () =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const { root } = yield* Workspace
      const fs = yield* refusing
      const made = yield* Folders.make(path.join(root, "a", "b")).pipe(
        Effect.provideService(FileSystem.FileSystem, fs),
        Effect.exit
      )
      expect(Exit.isFailure(made)).toBe(true)
    }).pipe(Effect.provide(live))
  )
})
