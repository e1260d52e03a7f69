/**
 * What a workspace no longer needs: artifacts that no pipeline's latest run refers to, scratch that no latest run would go on with,
 * older runs' logs, and what killed processes left behind.
 */
import { Effect, FileSystem, Path } from "effect"
import * as Folders from "./Folders.ts"
import * as Latest from "./Latest.ts"
import * as Processes from "./Processes.ts"
import type { RunEvent } from "./RunEvent.ts"
import * as RunLog from "./RunLog.ts"
import * as RunStatus from "./RunStatus.ts"
import { explain, Workspace } from "./Workspace.ts"

/** Something that can go. */
export interface Item {
  readonly what: "artifact" | "scratch" | "run" | "temporary"
  /** Path within the workspace, with `/`. */
  readonly path: string
  /** Size on the disk of all its files, in bytes. */
  readonly bytes: number
}

/** Bytes of all files below a path; 0 for what cannot be read. Links are not followed. */
export const sizeOf = Effect.fnUntraced(function* (start: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  let bytes = 0
  const pending = [start]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const here = next
    const info = yield* Effect.option(fs.lstat(here))
    if (info._tag === "None") continue
    if (info.value.type !== "Directory") bytes += Number(info.value.size)
    else {
      const names = yield* fs.readDirectory(here).pipe(Effect.orElseSucceed((): Array<string> => []))
      pending.push(...names.map((name) => path.join(here, name)))
    }
  }
  return bytes
})

type Started = Extract<RunEvent["event"], { readonly type: "RunStarted" }>

/** Runs that still matter: the newest of each pipeline, and any that goes on. With the fingerprints that they named. */
const current = Effect.fnUntraced(function* () {
  const path = yield* Path.Path
  const { runs } = yield* Workspace
  const kept = new Set<string>()
  const fingerprints = new Set<string>()
  const pipelines = new Set<string>()
  for (const run of yield* RunLog.list()) {
    const events = yield* RunLog.read(path.join(runs, run)).pipe(
      Effect.orElseSucceed((): Array<RunEvent> => [])
    )
    const first = events
      .map(({ event }) => event)
      .find((event): event is Started => event.type === "RunStarted")
    if (first === undefined) continue
    const status = RunStatus.of(events)
    const newest = !pipelines.has(first.pipeline)
    pipelines.add(first.pipeline)
    if (newest || (status.state === "running" && (yield* RunStatus.isAlive(status)))) {
      kept.add(run)
      for (const stage of first.stages)
        if (stage.fingerprint !== undefined) fingerprints.add(stage.fingerprint)
    }
  }
  return { runs: kept, fingerprints }
})

/** What nobody may remove now. */
interface Needed {
  readonly runs: ReadonlySet<string>
  /** Of artifacts and of scratch. */
  readonly artifacts: ReadonlySet<string>
  readonly scratch: ReadonlySet<string>
}

const needed = Effect.fnUntraced(function* () {
  const { fingerprints, runs } = yield* current()
  const referred = (yield* Latest.all()).map(({ fingerprint }) => fingerprint)
  const all: Needed = { runs, artifacts: new Set([...fingerprints, ...referred]), scratch: fingerprints }
  return all
})

const isNeeded = (all: Needed, { path, what }: Pick<Item, "path" | "what">): boolean => {
  const name = path.slice(path.lastIndexOf("/") + 1)
  switch (what) {
    case "artifact":
      return all.artifacts.has(name)
    case "scratch":
      return all.scratch.has(name)
    case "run":
      return all.runs.has(name)
    case "temporary":
      return false
  }
}

/** Lists what can go, largest first. Removes nothing. */
export const list = Effect.fn("Gc.list")(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const names = (directory: string) =>
    fs.readDirectory(directory).pipe(Effect.orElseSucceed((): Array<string> => []))
  const all = yield* needed()
  const found: Array<{ what: Item["what"]; path: string }> = []
  const add = (what: Item["what"], name: string) => {
    if (!isNeeded(all, { what, path: name })) found.push({ what, path: name })
  }
  for (const stage of yield* names(workspace.artifacts)) {
    for (const fingerprint of yield* names(path.join(workspace.artifacts, stage)))
      add("artifact", `artifacts/${stage}/${fingerprint}`)
  }
  for (const fingerprint of yield* names(workspace.scratch)) add("scratch", `scratch/${fingerprint}`)
  for (const run of yield* names(workspace.runs)) add("run", `runs/${run}`)
  for (const name of yield* names(workspace.tmp)) {
    const owner = Processes.fromText(name)
    if (owner === undefined || !(yield* Processes.isAlive(owner))) add("temporary", `tmp/${name}`)
  }
  // What a killed process was writing beside its place.
  for (const name of yield* names(workspace.root)) if (name.endsWith(".part")) add("temporary", name)
  const items = yield* Effect.forEach(found, (item) =>
    Effect.map(sizeOf(path.join(workspace.root, item.path)), (bytes): Item => ({ ...item, bytes }))
  )
  return items.sort((a, b) => b.bytes - a.bytes)
})

/**
 * Removes what `list` found, but for what a run has come to need since then, and gives what it removed. Each folder is first moved aside,
 * so that it vanishes at once and whole.
 */
export const remove = Effect.fn("Gc.remove")(function* (items: ReadonlyArray<Item>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const self = yield* Processes.self
  const failed = Effect.mapError(explain("Removing what is no longer used", workspace.root))
  yield* Folders.make(workspace.tmp).pipe(failed)
  const all = yield* needed()
  const removed = items.filter((item) => !isNeeded(all, item))
  for (const item of removed) {
    const aside = path.join(workspace.tmp, `${Processes.toText(self)}.${Processes.unique()}`)
    yield* fs.rename(path.join(workspace.root, item.path), aside).pipe(
      Effect.andThen(fs.remove(aside, { recursive: true, force: true })),
      // Gone already is as good.
      Effect.catchIf(
        (error) => error.reason._tag === "NotFound",
        () => Effect.void
      ),
      failed
    )
  }
  return removed
})
