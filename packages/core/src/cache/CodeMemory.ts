/**
 * A cache of code digests, within the process and, in files, between processes, so that a plan only looks at the times of files. Each
 * stage's code has a file of its own, so that a process reads what it asks for and no more. The folder is the user's where the program
 * names one (`UserCache`), else the workspace's. Like git, the cache identifies a file by size, times and inode, and by its content where
 * that changed a moment ago.
 */
import { readFileSync, type Stats, statSync, utimesSync } from "node:fs"
import { join } from "node:path"
import { Array as Arrays, Context, Effect, FileSystem, Option, Order, Path, Result, Schema } from "effect"
import { sha256 } from "../store/Digest.ts"
import * as Processes from "../store/Processes.ts"
import { UserCache } from "./UserCache.ts"

/** The code that decides a stage's behaviour. */
export const Code = Schema.Struct({
  /**
   * Digest of all code that the stage really uses: what counts in the artifact's name. Absent in manifests of versions that counted whole
   * files.
   */
  digest: Schema.optionalKey(Schema.String),
  /** The stage's own module, as `package/path`. */
  entry: Schema.String,
  /** Digest of what is used of each file, by `package/path`: to say where a change was. */
  files: Schema.Record(Schema.String, Schema.String),
  /** Version of each npm package. */
  packages: Schema.Record(Schema.String, Schema.String)
})
export type Code = typeof Code.Type

/** The manifest of the npm package that a bare import means, as seen from a folder. */
const Resolved = Schema.Struct({ specifier: Schema.String, from: Schema.String, manifest: Schema.String })
export type Resolved = typeof Resolved.Type

const Known = Schema.Struct({
  code: Code,
  /** Stamp of each file that was looked at, by absolute path. */
  files: Schema.Record(Schema.String, Schema.String),
  packages: Schema.Array(Resolved)
})
export type Known = typeof Known.Type

const File = Schema.Struct({
  /** The bundler that made the entry: another may print the same code differently. */
  made: Schema.String,
  key: Schema.String,
  /** SHA-256 of the entry as JSON: a damaged one is ignored. */
  digest: Schema.String,
  known: Known
})
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(File))

/** A module as the bundler is given it. */
export interface Prepared {
  readonly text: string
  /** Whether a stage's declaration was found in it, and made its one export. */
  readonly isStage: boolean
}

export interface Memory {
  readonly known: Map<string, Known>
  /** By path and how it is used. */
  readonly modules: Map<string, { readonly stamp: string; readonly made: Promise<Prepared> }>
  /** Keys that no file holds yet. */
  readonly unsaved: Set<string>
  /** Where entries of earlier processes are looked up, the first choice first. */
  folders: ReadonlyArray<string>
  /**
   * Keys that were compared with their files once, in a process that opens each module once: what the files become later is not what runs in
   * it. Undefined where each plan compares again.
   */
  readonly checked?: Set<string>
  /** Active readers: the bundler is a separate process, which stops when there are none. */
  readers: number
}

/** The memory of a process that has read no code yet. */
export const empty = (): Memory => ({
  known: new Map(),
  modules: new Map(),
  unsaved: new Set(),
  folders: [],
  readers: 0
})

/** One for the process unless another is provided. */
export const CodeMemory: Context.Reference<Memory> = Context.Reference<Memory>("@trainyard/core/CodeMemory", {
  defaultValue: empty
})

/** Some file systems have a time resolution of 2 seconds: a second change within it cannot be seen by its times. */
const settleMilliseconds = 2000

/** The state of what has changed too lately to be told by its times, and has no content: no other state equals it. */
const unknownState = "unknown"

const contentOf = (file: string): string =>
  Result.getOrElse(
    Result.map(
      Result.try(() => readFileSync(file)),
      (bytes) => `content ${sha256(bytes)}`
    ),
    () => unknownState
  )

const byTimes = ({ ctimeMs, ino, mtimeMs, size }: Stats): string => `${size}:${mtimeMs}:${ctimeMs}:${ino}`

/**
 * Identifies a state of a file, also of a missing one: by size, times and inode, or by its content where it changed a moment ago. A file is
 * to be read after its stamp was taken: what changes in between then belongs to an older stamp, and is read again.
 */
export const stampOf = (file: string): string => {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) return "absent"
  const isSettled = Date.now() - Math.max(found.mtimeMs, found.ctimeMs) > settleMilliseconds
  return isSettled ? byTimes(found) : contentOf(file)
}

/** Whether a file still is in the state that a stamp identifies. */
export const isUnchanged = (file: string, stamp: string): boolean => {
  if (stamp === unknownState) return false
  if (stamp.startsWith("content ")) return contentOf(file) === stamp
  const found = statSync(file, { throwIfNoEntry: false })
  return (found === undefined ? "absent" : byTimes(found)) === stamp
}

const fileOf = (folder: string, key: string) => join(folder, `${sha256(key).slice(0, 32)}.json`)

/** What was used within a day keeps its place when the oldest leave. */
const touch = (file: string) => {
  const now = Date.now()
  const { mtimeMs } = statSync(file)
  if (now - mtimeMs > 86_400_000) utimesSync(file, now / 1000, now / 1000)
}

/** What a folder's file says of a key; nothing where it is absent, damaged, or by another bundler. */
const load = (folder: string, key: string, made: string): Option.Option<Known> => {
  const file = fileOf(folder, key)
  return Result.try(() => readFileSync(file, "utf8")).pipe(
    Result.getSuccess,
    Option.flatMap(decode),
    Option.filter(
      (found) =>
        found.made === made && found.key === key && sha256(JSON.stringify(found.known)) === found.digest
    ),
    Option.map(({ known }) => {
      Result.try(() => touch(file))
      return known
    })
  )
}

/** What this process or an earlier one found out about a key. */
export const find = (memory: Memory, key: string, made: string): Known | undefined => {
  const known = memory.known.get(key)
  if (known !== undefined) return known
  for (const folder of memory.folders) {
    const found = Option.getOrUndefined(load(folder, key, made))
    if (found === undefined) continue
    memory.known.set(key, found)
    return found
  }
  return undefined
}

/** Sets the folders in which entries of earlier processes are looked up. */
export const useFolders = Effect.fnUntraced(function* (workspaceFolder: string) {
  const memory = yield* CodeMemory
  const user = yield* UserCache
  memory.folders = user === undefined ? [workspaceFolder] : [join(user, "code"), workspaceFolder]
})

/** Some fifty thousand bytes each. */
const mostFiles = 500

/** Removes what was longest not used, where a folder holds more than it should. */
const prune = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs.readDirectory(folder)
  if (names.length <= mostFiles) return
  const dated = yield* Effect.forEach(names, (name) =>
    Effect.map(fs.stat(path.join(folder, name)), ({ mtime }) => ({
      name,
      at: Option.match(mtime, { onNone: () => 0, onSome: (time) => time.getTime() })
    }))
  )
  const oldest = Arrays.sort(
    dated,
    Order.mapInput(Order.Number, ({ at }: { readonly at: number }) => at)
  ).slice(0, dated.length - mostFiles)
  for (const { name } of oldest) yield* fs.remove(path.join(folder, name), { force: true })
})

const write = Effect.fnUntraced(function* (folder: string, made: string, memory: Memory) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(folder, { recursive: true })
  for (const key of memory.unsaved) {
    const known = memory.known.get(key)
    if (known === undefined) continue
    const file: typeof File.Type = { made, key, digest: sha256(JSON.stringify(known)), known }
    const beside = join(folder, `${Processes.unique()}.part`)
    // Not flushed: what a power failure damages is ignored.
    yield* fs.writeFileString(beside, JSON.stringify(file))
    yield* fs.rename(beside, fileOf(folder, key))
  }
  yield* Effect.ignore(prune(folder))
})

/** Saves what is new for later processes. Where no file can be written, that is ignored. */
export const remember = Effect.fnUntraced(function* (workspaceFolder: string, made: string) {
  const memory = yield* CodeMemory
  if (memory.unsaved.size === 0) return
  yield* useFolders(workspaceFolder)
  yield* Effect.firstSuccessOf(memory.folders.map((folder) => write(folder, made, memory))).pipe(
    Effect.andThen(Effect.sync(() => memory.unsaved.clear())),
    Effect.ignore
  )
})
