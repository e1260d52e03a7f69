/** Removes paths inside the workspace. All paths are checked before the first is removed. */
import { homedir } from "node:os"
import * as Folders from "@trainyard/core/Folders"
import * as Processes from "@trainyard/core/Processes"
import { explain, Workspace } from "@trainyard/core/Workspace"
import { Context, Effect, FileSystem, Path, Schema } from "effect"
import { rimraf } from "rimraf"

/** The user's home folder. */
export const HomeFolder = Context.Reference<string>("@trainyard/stages/clean/HomeFolder", {
  defaultValue: homedir
})

/** A workspace that must not be cleaned, or a link in it that leads out. Nothing was removed. */
export class UnsafeRemoval extends Schema.TaggedError<UnsafeRemoval>()("UnsafeRemoval", {
  path: Schema.String,
  message: Schema.String
}) {}

const refuse = (path: string, why: string): UnsafeRemoval =>
  new UnsafeRemoval({ path, message: `Cleaning refuses ${path}: ${why} Nothing was removed.` })

/**
 * The workspace's real path. Fails when that is the root of a disk, a home folder or a folder above one, or a folder with a git
 * repository in it: a workspace is a folder of its own.
 */
export const realRoot = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const real = yield* fs.realPath(root).pipe(Effect.mapError(explain("Looking at the workspace", root)))
  const named = yield* HomeFolder
  const home = yield* fs.realPath(named).pipe(Effect.orElseSucceed(() => named))
  const hint = "Give the workspace a folder of its own, such as .trainyard."
  if (path.dirname(real) === real) return yield* refuse(root, `it is the root of a disk. ${hint}`)
  if (real === home) return yield* refuse(root, `it is a home folder. ${hint}`)
  if (home.startsWith(real + path.sep)) {
    return yield* refuse(root, `a home folder lies in it. ${hint}`)
  }
  if (yield* fs.exists(path.join(real, ".git")).pipe(Effect.orElseSucceed(() => false))) {
    return yield* refuse(root, `a git repository lies in it. ${hint}`)
  }
  return real
})

/** The real path of something in the workspace; fails when it, or a folder on the way to it, is a link. */
const inside = Effect.fnUntraced(function* (real: string, relative: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const target = path.resolve(real, relative)
  if (target === real || !target.startsWith(real + path.sep)) {
    return yield* refuse(target, `it is not inside the workspace ${real}.`)
  }
  const found = yield* fs.realPath(target).pipe(Effect.option)
  if (found._tag === "Some" && found.value !== target) {
    return yield* refuse(
      target,
      `it is a link, or behind one, that leads to ${found.value}. Remove the link first.`
    )
  }
  return target
})

/**
 * Removes paths within the workspace (relative to it). Each is first moved to the trash folder `tmp`, so that it disappears in one step.
 * Paths that do not exist are skipped.
 */
export const removeAll = Effect.fn("clean.removeAll")(function* (paths: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const real = yield* realRoot(workspace.root)
  if (paths.length === 0) return
  const targets = yield* Effect.forEach(paths, (relative) => inside(real, relative))
  const failed = Effect.mapError(explain("Cleaning", workspace.root))
  const self = yield* Processes.self
  const trash = yield* inside(real, path.relative(workspace.root, workspace.tmp))
  yield* Folders.make(trash).pipe(failed)
  for (const target of targets) {
    const moved = path.join(trash, `${Processes.toText(self)}.${Processes.unique()}`)
    const exists = yield* fs.rename(target, moved).pipe(
      Effect.as(true),
      Effect.catchIf(
        (error) => error.reason._tag === "NotFound",
        () => Effect.succeed(false)
      ),
      failed
    )
    if (!exists) continue
    yield* Effect.tryPromise({
      try: () => rimraf(moved, { glob: false, preserveRoot: true }),
      catch: (cause) =>
        new UnsafeRemoval({
          path: target,
          message: `${target} could not be removed completely (${cause instanceof Error ? cause.message : cause}). What is left of it is ${moved}; check its permissions.`
        })
    })
  }
})
