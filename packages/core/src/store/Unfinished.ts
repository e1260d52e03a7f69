/**
 * Unfinished work that can be resumed: what stages of interrupted runs kept in their scratch folders, such as checkpoints. It may be hours of
 * computing, so nothing removes it unless it is asked to, by name or by age.
 */
import { Effect, FileSystem, Option, Path } from "effect"
import type { Command } from "../events/RunEvent.ts"
import * as RunLog from "../events/RunLog.ts"
import * as Durable from "./Durable.ts"
import * as Lock from "./Lock.ts"
import * as Store from "./Store.ts"
import { Workspace } from "./Workspace.ts"

/** What lies in one stage's scratch folder. */
export interface Unfinished {
  /** Name of the artifact that it is to become, and of the folder below `scratch`. */
  readonly cacheKey: string
  /** Size on the disk of all its files, in bytes. */
  readonly bytes: number
  /** Newest change of one of its files, in milliseconds since 1970. */
  readonly changedAt: number
  /** Node and pipeline that it belongs to, as the newest log that names it tells; null when no log does. */
  readonly stage: string | null
  readonly pipeline: string | null
  readonly run: string | null
  /** Step of its newest checkpoint; null for work that has none. */
  readonly step: number | null
  /** What resumes it; null when no log tells. */
  readonly command: Command | null
  /** Who works on it now, in words, with the claim's file. */
  readonly inUse: { readonly holder: string; readonly file: string } | null
  /** A whole artifact of the same name, older than this work, which a run reuses instead of resuming; null when there is none. */
  readonly artifact: string | null
}

/** Size of all files below a path, how many they are, and their newest change. Links are not followed; what cannot be read counts nothing. */
export const measure = Effect.fnUntraced(function* (start: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  let bytes = 0
  let files = 0
  let changedAt = 0
  const pending = [start]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const here = next
    const info = yield* Effect.option(fs.lstat(here))
    if (Option.isNone(info)) continue
    if (info.value.type === "Directory") {
      const names = yield* fs.readDirectory(here).pipe(Effect.orElseSucceed((): Array<string> => []))
      pending.push(...names.map((name) => path.join(here, name)))
      continue
    }
    bytes += Number(info.value.size)
    files++
    changedAt = Math.max(changedAt, Option.getOrElse(info.value.mtime, () => new Date(0)).getTime())
  }
  return { bytes, files, changedAt }
})

/** The artifact of a cache key, if it is there with all its files, and when it was made. */
const artifactOf = Effect.fnUntraced(function* (cacheKey: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { artifacts } = yield* Workspace
  for (const stage of yield* fs
    .readDirectory(artifacts)
    .pipe(Effect.orElseSucceed((): Array<string> => []))) {
    const directory = path.join(artifacts, stage, cacheKey)
    if (!(yield* Store.isArtifact(directory))) continue
    const manifest = yield* Effect.option(Store.readManifest(directory))
    if (Option.isNone(manifest)) continue
    if ((yield* Durable.compareSizes(directory, manifest.value.files)) !== undefined) continue
    return Option.some({ directory, madeAt: Date.parse(manifest.value.at) })
  }
  return Option.none<{ readonly directory: string; readonly madeAt: number }>()
})

/** Step of the newest checkpoint of a cache key that a run's log tells of and that is still there. */
const lastStep = Effect.fnUntraced(function* (run: string, stage: string, cacheKey: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { runs, scratch } = yield* Workspace
  const events = yield* RunLog.read(path.join(runs, run)).pipe(Effect.orElseSucceed(() => []))
  for (const { event } of events.toReversed()) {
    if (event.type !== "Stage" || event.stage !== stage || event.event.type !== "Saved") continue
    // On the machine of that run the workspace may have had another path.
    const [, within] = event.event.directory.split(cacheKey)
    if (within === undefined) continue
    if (yield* fs.exists(path.join(scratch, cacheKey, within)).pipe(Effect.orElseSucceed(() => false)))
      return event.event.step
  }
  return null
})

interface Named {
  readonly run: string
  readonly stage: string
  readonly pipeline: string
  readonly command: Command | null
  readonly step: number | null
}

/** What the logs tell of these cache keys, from the newest run that was to make each; its step from the newest that saved one. */
const named = Effect.fnUntraced(function* (cacheKeys: ReadonlySet<string>) {
  const path = yield* Path.Path
  const { runs } = yield* Workspace
  const found = new Map<string, Named>()
  const open = new Set(cacheKeys)
  for (const run of yield* RunLog.list()) {
    if (open.size === 0) break
    const opening = yield* RunLog.opening(path.join(runs, run))
    if (Option.isNone(opening)) continue
    const { command = null, pipeline, stages } = opening.value
    for (const { cacheKey, name: stage, runs: works } of stages) {
      if (!works || cacheKey === undefined || !open.has(cacheKey)) continue
      const step = yield* lastStep(run, stage, cacheKey)
      const newer = found.get(cacheKey) ?? { run, stage, pipeline, command, step }
      found.set(cacheKey, { ...newer, command: newer.command ?? command, step })
      if (step !== null) open.delete(cacheKey)
    }
  }
  return found
})

/** Everything in scratch: what can be resumed, newest first, and names of folders from which nothing can. */
export const list = Effect.fn("Unfinished.list")(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { scratch } = yield* Workspace
  const names = yield* fs.readDirectory(scratch).pipe(Effect.orElseSucceed((): Array<string> => []))
  const waiting: Array<Unfinished> = []
  const useless: Array<string> = []
  if (names.length === 0) return { waiting, useless }
  const holders = yield* Lock.held()
  const logs = yield* named(new Set(names))
  for (const cacheKey of names) {
    const { bytes, changedAt, files } = yield* measure(path.join(scratch, cacheKey))
    const inUse = holders.get(cacheKey) ?? null
    const artifact = yield* artifactOf(cacheKey)
    const done = Option.exists(artifact, ({ madeAt }) => madeAt >= changedAt)
    if (inUse === null && (files === 0 || done)) {
      useless.push(cacheKey)
      continue
    }
    const log = logs.get(cacheKey)
    waiting.push({
      cacheKey,
      bytes,
      changedAt,
      stage: log?.stage ?? null,
      pipeline: log?.pipeline ?? null,
      run: log?.run ?? null,
      step: log?.step ?? null,
      command: log?.command ?? null,
      inUse,
      artifact: Option.match(artifact, { onNone: () => null, onSome: ({ directory }) => directory })
    })
  }
  return { waiting: waiting.sort((a, b) => b.changedAt - a.changedAt), useless }
})
