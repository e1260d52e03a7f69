/**
 * A cache of code digests, within the process and, in a file, between processes, so that a plan only looks at the times of files. The file
 * is the user's where the program names a folder for it (`UserCache`), else the workspace's. Like git, the cache identifies a file by size,
 * times and inode, and does not trust a file that changed a moment ago.
 */
import { statSync } from "node:fs"
import { dirname, join } from "node:path"
import { Context, Effect, FileSystem, Option, Schema } from "effect"
import { sha256 } from "../store/Digest.ts"
import * as Durable from "../store/Durable.ts"
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
  /** The bundler that made the entries: another may print the same code differently. */
  made: Schema.String,
  /** SHA-256 of the entries as JSON: a damaged cache is ignored. */
  digest: Schema.String,
  known: Schema.Record(Schema.String, Known)
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
  unsaved: boolean
  /** Active readers: the bundler is a separate process, which stops when there are none. */
  readers: number
}

/** One for the process unless another is provided. */
export const CodeMemory: Context.Reference<Memory> = Context.Reference<Memory>("@trainyard/core/CodeMemory", {
  defaultValue: () => ({ known: new Map(), modules: new Map(), unsaved: false, readers: 0 })
})

/** Identifies a state of a file, also of a missing one. */
export const stampOf = (file: string): string => {
  const found = statSync(file, { throwIfNoEntry: false })
  return found === undefined ? "absent" : `${found.size}:${found.mtimeMs}:${found.ctimeMs}:${found.ino}`
}

/** Some file systems have a time resolution of 2 seconds: a second change within it cannot be seen. */
const settleMilliseconds = 2000

/** Whether a stamp is old enough that a later change of the file must change it. */
export const isSettled = (stamp: string): boolean => {
  const [, modified, changed] = stamp.split(":")
  return stamp === "absent" || Date.now() - Math.max(Number(modified), Number(changed)) > settleMilliseconds
}

/** The files that may hold the cache, the first choice first. */
const filesOf = Effect.fnUntraced(function* (workspaceFile: string) {
  const folder = yield* UserCache
  return folder === undefined ? [workspaceFile] : [join(folder, "code.json"), workspaceFile]
})

/** What a file holds; nothing where it is absent, damaged, or by another bundler. */
const load = Effect.fnUntraced(function* (file: string, made: string) {
  const fs = yield* FileSystem.FileSystem
  const found = decode(yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => "")))
  if (Option.isNone(found) || found.value.made !== made) return []
  if (sha256(JSON.stringify(found.value.known)) !== found.value.digest) return []
  return Object.entries(found.value.known)
})

/** Loads the cache that earlier processes saved. */
export const recall = Effect.fnUntraced(function* (workspaceFile: string, made: string) {
  const memory = yield* CodeMemory
  if (memory.known.size > 0) return
  for (const file of yield* filesOf(workspaceFile))
    for (const [key, known] of yield* load(file, made))
      if (!memory.known.has(key)) memory.known.set(key, known)
})

// More than the stages of any pipeline. What was longest not asked for leaves first.
const mostKnown = 200

const write = Effect.fnUntraced(function* (file: string, made: string, own: Memory["known"]) {
  // Another process may have saved entries since this one loaded them.
  const others = (yield* load(file, made)).filter(([key]) => !own.has(key))
  const known = Object.fromEntries([...others, ...own].slice(-mostKnown))
  const text = JSON.stringify({
    made,
    digest: sha256(JSON.stringify(known)),
    known
  } satisfies typeof File.Type)
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(dirname(file), { recursive: true })
  yield* Durable.writeFile(file, text)
})

/** Saves the cache for later processes. Where no file can be written, that is ignored. */
export const remember = Effect.fnUntraced(function* (workspaceFile: string, made: string) {
  const memory = yield* CodeMemory
  if (!memory.unsaved) return
  const files = yield* filesOf(workspaceFile)
  yield* Effect.firstSuccessOf(files.map((file) => write(file, made, memory.known))).pipe(
    Effect.andThen(Effect.sync(() => (memory.unsaved = false))),
    Effect.ignore
  )
})
