/**
 * What a workspace no longer needs: artifacts that no pipeline's latest run refers to, older runs' logs, and what killed processes left
 * behind. Work that can be resumed (`Unfinished`) stays, and so do the log and the artifacts of its run, unless it is asked for by
 * name or by age.
 */
import { Clock, Effect, FileSystem, Option, Path } from "effect"
import * as RunLog from "../events/RunLog.ts"
import * as RunStatus from "../status/RunStatus.ts"
import * as Folders from "./Folders.ts"
import * as Latest from "./Latest.ts"
import * as Lock from "./Lock.ts"
import * as Processes from "./Processes.ts"
import * as Unfinished from "./Unfinished.ts"
import { abandoned, changedAt, explain, Workspace } from "./Workspace.ts"

/** Something that can go. */
export interface Item {
  readonly what: "artifact" | "scratch" | "run" | "temporary"
  /** Path within the workspace, with `/`. */
  readonly path: string
  /** Size on the disk of all its files, in bytes. */
  readonly bytes: number
}

/** Which work that can be resumed may go; none by default. What a process works on stays in any case. */
export interface Options {
  /** Fingerprints, each a folder below `scratch`. */
  readonly scratch?: ReadonlyArray<string> | undefined
  /** What has not changed for so many milliseconds. */
  readonly scratchOlderThan?: number | undefined
}

/** Bytes of all files below a path; 0 for what cannot be read. Links are not followed. */
export const sizeOf = (start: string) => Effect.map(Unfinished.measure(start), ({ bytes }) => bytes)

const lastPart = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

const fingerprintName = /^[0-9a-f]{16,128}$/
const runName = /^\d{8}-\d{6}[0-9a-f-]*$/

/** Whether a name is one that the workspace gives: a file that somebody put there by hand is not ours to remove. */
export const isOurs = (what: Item["what"], name: string): boolean => {
  switch (what) {
    case "artifact":
    case "scratch":
      return fingerprintName.test(name)
    case "run":
      return runName.test(name)
    case "temporary":
      return Processes.fromText(name) !== undefined
  }
}

// What no log explains (a run that is just starting, a file that is being written) is left alone for so long.
const youngMilliseconds = 24 * 3_600_000

/** Whether a file or folder was changed within the last day, here or on another machine. */
const isYoung = Effect.fnUntraced(function* (file: string) {
  return (yield* Clock.currentTimeMillis) - (yield* changedAt(file)) < youngMilliseconds
})

interface Run {
  readonly name: string
  /** How it began; undefined where its log does not tell, or not yet. */
  readonly opening: RunLog.Opening | undefined
  /** Whether it is the newest of its pipeline. */
  readonly newest: boolean
  /** Whether it may be at work now, here or on another machine. */
  readonly goesOn: boolean
}

/** Every folder of a run, newest first. What cannot be read, or has only just been made, is taken to be at work. */
const allRuns = Effect.fnUntraced(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { runs } = yield* Workspace
  const names = yield* fs.readDirectory(runs).pipe(Effect.orElseSucceed((): Array<string> => []))
  const pipelines = new Set<string>()
  const found: Array<Run> = []
  for (const name of names.sort().reverse()) {
    const directory = path.join(runs, name)
    const opening = Option.getOrUndefined(yield* RunLog.opening(directory))
    if (opening === undefined) {
      found.push({ name, opening, newest: false, goesOn: yield* isYoung(directory) })
      continue
    }
    const newest = !pipelines.has(opening.pipeline)
    pipelines.add(opening.pipeline)
    found.push({ name, opening, newest, goesOn: yield* mayGoOn(directory) })
  }
  return found
})

/** Whether a run may still be at work. One whose log cannot be read is taken to be. */
const mayGoOn = Effect.fnUntraced(function* (directory: string) {
  const events = yield* Effect.option(RunLog.read(directory))
  if (Option.isNone(events)) return true
  const status = RunStatus.of(events.value)
  return status.state === "running" && (yield* RunStatus.isAlive(status))
})

/**
 * Runs that still matter: the newest of each pipeline, any that may go on, and any whose work can be resumed. With the
 * cache keys that they named.
 */
const current = Effect.fnUntraced(function* (waiting: ReadonlyArray<Unfinished.Unfinished>) {
  const resumable = new Set(waiting.map(({ run }) => run))
  const kept = (yield* allRuns()).filter(
    ({ goesOn, name, newest }) => goesOn || newest || resumable.has(name)
  )
  return {
    runs: new Set(kept.map(({ name }) => name)),
    cacheKeys: kept.flatMap(({ opening }) => RunLog.fingerprintsOf(opening))
  }
})

/** Cache keys that no run which may go on now, and no process that holds a lock, would miss are not among these. */
export const busy = Effect.fnUntraced(function* () {
  const going = (yield* allRuns()).filter(({ goesOn }) => goesOn)
  return new Set([
    ...going.flatMap(({ opening }) => RunLog.fingerprintsOf(opening)),
    ...(yield* Lock.held()).keys()
  ])
})

/** What must not be removed now. */
interface Needed {
  readonly runs: ReadonlySet<string>
  readonly artifacts: ReadonlySet<string>
  /** Fingerprints that processes have claimed. */
  readonly held: ReadonlySet<string>
  /** Scratch that may go: what nothing can be resumed from, and what was asked for. */
  readonly spent: ReadonlySet<string>
}

/** Scratch folders: which may go, because nothing can be resumed from them or because they were asked for, and which wait. */
const sorted = Effect.fnUntraced(function* (options: Options) {
  const { useless, waiting } = yield* Unfinished.list()
  const now = yield* Clock.currentTimeMillis
  const { scratch: names = [], scratchOlderThan = Number.POSITIVE_INFINITY } = options
  const asked = waiting.filter(
    ({ changedAt, cacheKey, inUse }) =>
      inUse === null && (names.includes(cacheKey) || now - changedAt >= scratchOlderThan)
  )
  const spent = new Set([...useless, ...asked.map(({ cacheKey }) => cacheKey)])
  return { spent, waiting: waiting.filter(({ cacheKey }) => !spent.has(cacheKey)) }
})

const needed = Effect.fnUntraced(function* (options: Options) {
  const { spent, waiting } = yield* sorted(options)
  const { cacheKeys, runs } = yield* current(waiting)
  const referred = (yield* Latest.all()).map(({ cacheKey }) => cacheKey)
  const held = new Set((yield* Lock.held()).keys())
  const all: Needed = { runs, artifacts: new Set([...cacheKeys, ...referred]), held, spent }
  return all
})

const isNeeded = (all: Needed, { path, what }: Pick<Item, "path" | "what">): boolean => {
  const name = lastPart(path)
  switch (what) {
    case "artifact":
      return all.artifacts.has(name) || all.held.has(name)
    case "scratch":
      return !all.spent.has(name) || all.held.has(name)
    case "run":
      return all.runs.has(name)
    case "temporary":
      return false
  }
}

/** Files that a killed process was writing beside their places, at the top of the workspace. */
const torn = Effect.fnUntraced(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { root } = yield* Workspace
  const names = yield* fs.readDirectory(root).pipe(Effect.orElseSucceed((): Array<string> => []))
  return yield* Effect.filter(names, (name) =>
    name.endsWith(".part")
      ? Effect.map(isYoung(path.join(root, name)), (young) => !young)
      : Effect.succeed(false)
  )
})

/** Lists what can go, largest first. Removes nothing. */
export const list = Effect.fn("Gc.list")(function* (options: Options = {}) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const names = (directory: string) =>
    fs.readDirectory(directory).pipe(Effect.orElseSucceed((): Array<string> => []))
  const all = yield* needed(options)
  const found: Array<{ what: Item["what"]; path: string }> = []
  const add = (what: Item["what"], name: string) => {
    const item = { what, path: name }
    if (isOurs(what, lastPart(name)) && !isNeeded(all, item)) found.push(item)
  }
  for (const stage of yield* names(workspace.artifacts)) {
    for (const cacheKey of yield* names(path.join(workspace.artifacts, stage)))
      add("artifact", `artifacts/${stage}/${cacheKey}`)
  }
  for (const cacheKey of yield* names(workspace.scratch)) add("scratch", `scratch/${cacheKey}`)
  for (const run of yield* names(workspace.runs)) add("run", `runs/${run}`)
  for (const name of yield* abandoned()) add("temporary", `tmp/${name}`)
  for (const name of yield* Lock.dead()) found.push({ what: "temporary", path: `locks/${name}` })
  for (const name of yield* torn()) found.push({ what: "temporary", path: name })
  const items = yield* Effect.forEach(found, (item) =>
    Effect.map(sizeOf(path.join(workspace.root, item.path)), (bytes): Item => ({ ...item, bytes }))
  )
  return items.sort((a, b) => b.bytes - a.bytes)
})

/**
 * Removes what `list` found, but for what a run has come to need since then, and gives what it removed. Each folder is first moved to `tmp`,
 * so that it vanishes at once and whole; an artifact or scratch is locked until then, so that no run can begin to use it.
 */
export const remove = Effect.fn("Gc.remove")(function* (items: ReadonlyArray<Item>, options: Options = {}) {
  const workspace = yield* Workspace
  yield* Folders.make(workspace.tmp).pipe(
    Effect.mapError(explain("Removing what is no longer used", workspace.root))
  )
  const all = yield* needed(options)
  const candidates = items.filter((item) => !isNeeded(all, item))
  return yield* Effect.filter(candidates, (item) => Effect.scoped(removeOne(item)))
})

/** Removes one item, in a scope; whether it did. */
export const removeOne = Effect.fnUntraced(function* (item: Item) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const claimed = item.what === "artifact" || item.what === "scratch"
  if (claimed && !(yield* Lock.tryAcquire(lastPart(item.path)))) return false
  const self = yield* Processes.self
  const trash = path.join(workspace.tmp, `${Processes.toText(self)}.${Processes.unique()}`)
  yield* fs.rename(path.join(workspace.root, item.path), trash).pipe(
    Effect.andThen(fs.remove(trash, { recursive: true, force: true })),
    // Gone already is as good.
    Effect.catchIf(
      (error) => error.reason._tag === "NotFound",
      () => Effect.void
    ),
    Effect.mapError(explain("Removing what is no longer used", workspace.root))
  )
  return true
})

/** Names of this run's stages that have begun. */
const begunIn = Effect.fnUntraced(function* (run: string) {
  const path = yield* Path.Path
  const { runs } = yield* Workspace
  const events = yield* RunLog.read(path.join(runs, run)).pipe(Effect.orElseSucceed(() => []))
  return new Set(
    events.flatMap(({ event }) =>
      event.type === "StageStarted" || event.type === "StageFinished" ? [event.stage] : []
    )
  )
})

/**
 * Names that a clean start of a pipeline must leave alone: runs that may go on and the artifacts that they name (of this process's own runs,
 * those that they have used or begun to make), what is locked, other pipelines' latest runs and artifacts, and the logs of runs whose
 * work can be resumed.
 */
export const inUse = Effect.fn("Gc.inUse")(function* (options: Options = {}) {
  const self = Processes.toText(yield* Processes.self)
  const { waiting } = yield* sorted(options)
  const runs = yield* allRuns()
  const isOwn = ({ goesOn, opening }: Run): boolean =>
    goesOn && opening?.owner !== undefined && Processes.toText(opening.owner) === self
  const own = new Set(runs.flatMap((run) => (isOwn(run) ? [run.opening?.pipeline] : [])))
  const names = new Set<string>((yield* Lock.held()).keys())
  for (const { run } of waiting) if (run !== null) names.add(run)
  for (const run of runs) {
    const othersLatest = run.newest && !own.has(run.opening?.pipeline)
    if (!run.goesOn && !othersLatest) continue
    names.add(run.name)
    const begun = isOwn(run) ? yield* begunIn(run.name) : undefined
    for (const cacheKey of RunLog.fingerprintsOf(run.opening, begun)) names.add(cacheKey)
  }
  for (const { cacheKey, pipeline } of yield* Latest.all()) if (!own.has(pipeline)) names.add(cacheKey)
  return names
})
