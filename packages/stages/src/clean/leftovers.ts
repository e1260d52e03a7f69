/** What a workspace holds that cleaning may remove. What a living process uses, or this run has used already, is not in the lists. */
import * as Gc from "@trainyard/core/Gc"
import * as Processes from "@trainyard/core/Processes"
import * as RunLog from "@trainyard/core/RunLog"
import * as RunStatus from "@trainyard/core/RunStatus"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path } from "effect"
import type { Removed } from "./Slate.ts"

const fingerprint = /^[0-9a-f]{16,128}$/
const run = /^\d{8}-\d{6}[0-9a-f-]*$/

/** Only what bears a name that the workspace gives: a file that somebody put there by hand is not ours to remove. */
const isOurs = (what: Removed["what"], name: string): boolean => {
  switch (what) {
    case "artifact":
    case "scratch":
      return fingerprint.test(name)
    case "run":
      return run.test(name)
    case "temporary":
      return Processes.fromText(name) !== undefined
  }
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/**
 * What earlier runs left and nothing needs: files of killed processes, scratch that no pipeline's latest run would go on with, logs
 * of runs beyond the newest `keepRuns` (a pipeline's latest run always stays).
 */
export const leftovers = Effect.fn("clean.leftovers")(function* (keepRuns: number) {
  const items = (yield* Gc.list()).filter(
    (item) => item.what !== "artifact" && isOurs(item.what, lastPart(item.path))
  )
  const newest = new Set((yield* RunLog.list()).slice(0, keepRuns).map((name) => `runs/${name}`))
  return items.filter((item) => !newest.has(item.path))
})

/**
 * Names that must stay: logs of living runs and the artifacts that those runs name; of this very run, the artifacts that it has used
 * or begun to make. And whatever a living process has claimed.
 */
const inUse = Effect.fnUntraced(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const names = new Set<string>()
  for (const name of yield* RunLog.list()) {
    const events = yield* RunLog.read(path.join(workspace.runs, name)).pipe(Effect.orElseSucceed(() => []))
    const status = RunStatus.of(events)
    if (status.state !== "running" || !(yield* RunStatus.isAlive(status))) continue
    names.add(name)
    const begun = new Set<string>()
    for (const { event } of events) {
      if (event.type === "StageStarted" || event.type === "StageFinished") begun.add(event.stage)
    }
    for (const { event } of events) {
      if (event.type !== "RunStarted") continue
      for (const stage of event.stages) {
        if (stage.fingerprint !== undefined && (status.process !== process.pid || begun.has(stage.name))) {
          names.add(stage.fingerprint)
        }
      }
    }
  }
  const claims = yield* fs.readDirectory(workspace.locks).pipe(Effect.orElseSucceed((): Array<string> => []))
  for (const claim of claims) {
    const at = claim.indexOf("@")
    const owner = Processes.fromText(claim.slice(at + 1))
    if (owner !== undefined && (yield* Processes.isAlive(owner))) names.add(claim.slice(0, at))
  }
  return names
})

/** Every artifact, all scratch, all logs and temporary files that are not in use. Downloads stay: no run made them. */
export const everything = Effect.fn("clean.everything")(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const kept = yield* inUse()
  const names = (folder: string) =>
    fs.readDirectory(path.join(workspace.root, folder)).pipe(Effect.orElseSucceed((): Array<string> => []))
  const found: Array<{ readonly what: Removed["what"]; readonly path: string }> = []
  const add = (what: Removed["what"], folder: string, list: ReadonlyArray<string>): void => {
    for (const name of list)
      if (isOurs(what, name) && !kept.has(name)) found.push({ what, path: `${folder}/${name}` })
  }
  for (const stage of yield* names("artifacts")) {
    add("artifact", `artifacts/${stage}`, yield* names(`artifacts/${stage}`))
  }
  add("scratch", "scratch", yield* names("scratch"))
  add("run", "runs", yield* names("runs"))
  for (const name of yield* names("tmp")) {
    const owner = Processes.fromText(name)
    if (owner !== undefined && !(yield* Processes.isAlive(owner))) add("temporary", "tmp", [name])
  }
  return yield* Effect.forEach(found, (item) =>
    Effect.map(Gc.sizeOf(path.join(workspace.root, item.path)), (bytes): Removed => ({ ...item, bytes }))
  )
})
