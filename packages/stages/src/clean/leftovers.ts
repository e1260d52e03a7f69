/** Lists what cleaning may remove from a workspace. What a running process uses, or this run has used, is not listed. */
import * as Gc from "@trainyard/core/Gc"
import * as RunLog from "@trainyard/core/RunLog"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path } from "effect"
import type { Removed } from "./CleanReport.ts"

/** The last name of a path within the workspace. */
export const lastPart = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/**
 * What earlier runs left and nothing needs: files of killed processes, logs of runs beyond the newest `keepRuns` (a pipeline's latest run
 * always stays, and so does one whose work can be resumed), and work that can be resumed where `options` ask for it.
 */
export const leftovers = Effect.fn("clean.leftovers")(function* (keepRuns: number, options: Gc.Options) {
  const newest = new Set((yield* RunLog.list()).slice(0, keepRuns).map((name) => `runs/${name}`))
  return (yield* Gc.list(options)).filter(({ path, what }) => what !== "artifact" && !newest.has(path))
})

/**
 * All artifacts, logs and files of killed processes, except what is in use, what other pipelines' latest runs need, and work that can be
 * resumed unless `options` ask for it. Downloads stay.
 */
export const everything = Effect.fn("clean.everything")(function* (options: Gc.Options) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const kept = yield* Gc.inUse(options)
  const names = (folder: string) =>
    fs.readDirectory(path.join(workspace.root, folder)).pipe(Effect.orElseSucceed((): Array<string> => []))
  const found: Array<{ readonly what: Removed["what"]; readonly path: string }> = []
  const add = (what: Removed["what"], folder: string, list: ReadonlyArray<string>): void => {
    for (const name of list)
      if (Gc.isOurs(what, name) && !kept.has(name)) found.push({ what, path: `${folder}/${name}` })
  }
  for (const stage of yield* names("artifacts")) {
    add("artifact", `artifacts/${stage}`, yield* names(`artifacts/${stage}`))
  }
  add("run", "runs", yield* names("runs"))
  const counted = yield* Effect.forEach(found, (item) =>
    Effect.map(Gc.sizeOf(path.join(workspace.root, item.path)), (bytes): Removed => ({ ...item, bytes }))
  )
  const rest = (yield* Gc.list(options)).filter(
    ({ path, what }) => (what === "scratch" && !kept.has(lastPart(path))) || what === "temporary"
  )
  return [...counted, ...rest]
})
