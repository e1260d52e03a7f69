/**
 * Unfinished work in the shared store: what a stage has saved so far, such as checkpoints, so that a run on another machine goes on with
 * it. Each run writes below a name of its own, files first, then the list of them; the list is replaced when newer work is saved. So two
 * runs of one stage do not disturb each other, and who goes on takes the list of the highest step.
 *
 * ```
 * scratch/<cache key>/<run>/files/<sha256>
 * scratch/<cache key>/<run>/list.json
 * ```
 */
import { Effect, FileSystem, Option, Path, Schema } from "effect"
import { canonical, sha256 } from "../Digest.ts"
import * as Durable from "../Durable.ts"
import { downloadFiles, type Shared, uploadFiles } from "./SharedStore.ts"

const Body = Schema.Struct({
  format: Schema.Literal(1),
  cacheKey: Schema.String,
  /** Node and pipeline that it belongs to, and the run that saved it. */
  stage: Schema.String,
  pipeline: Schema.String,
  run: Schema.String,
  /** Name of the machine, for people. */
  host: Schema.String,
  /** ISO 8601, UTC. */
  at: Schema.String,
  /** Step of the newest saved work. */
  step: Schema.Int,
  files: Schema.Array(Durable.FileEntry)
})

/** What `list.json` holds. */
export const Saved = Schema.Struct({
  ...Body.fields,
  /** SHA-256 of the rest as canonical JSON. */
  digest: Schema.String
})
export type Saved = typeof Saved.Type

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Saved))

const prefixOf = (cacheKey: string): string => `scratch/${cacheKey}/`
const listKey = (cacheKey: string, run: string): string => `${prefixOf(cacheKey)}${run}/list.json`

const read = Effect.fnUntraced(function* ({ objects }: Shared, cacheKey: string, run: string) {
  const text = yield* objects.read(listKey(cacheKey, run))
  const saved = Option.flatMap(text, (content) => decode(content))
  return Option.filter(saved, ({ digest, ...body }) => {
    return digest === sha256(canonical(body)) && body.cacheKey === cacheKey && body.run === run
  })
})

/** What runs have saved towards an artifact, the furthest first. */
export const of = Effect.fnUntraced(function* (shared: Shared, cacheKey: string) {
  const runs = yield* shared.objects.names(prefixOf(cacheKey))
  const found = yield* Effect.forEach(runs, (run) => read(shared, cacheKey, run), { concurrency: 4 })
  return found
    .flatMap((saved) => (Option.isSome(saved) ? [saved.value] : []))
    .sort((a, b) => b.step - a.step || (a.at < b.at ? 1 : -1))
})

/** Cache keys of all unfinished work in the store. */
export const cacheKeys = ({ objects }: Shared) => objects.names("scratch/")

/**
 * Copies saved work into a scratch folder. Folders of the same path give way; others stay. A sentence about what is wrong with it, or
 * undefined when it is there; then the scratch folder is as it was.
 */
export const restore = Effect.fn("SharedScratch.restore")(function* (
  shared: Shared,
  saved: Saved,
  scratch: string,
  temporary: string
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const prefix = `${prefixOf(saved.cacheKey)}${saved.run}/files/`
  const problem = yield* downloadFiles(shared, prefix, saved.files, temporary)
  if (problem !== undefined) return problem
  yield* Durable.syncTree(temporary)
  const folders = new Set(saved.files.map((file) => file.path.split("/").slice(0, -1).join("/")))
  for (const folder of folders) {
    const target = path.join(scratch, ...folder.split("/"))
    if (folder === "") continue
    yield* fs.makeDirectory(path.dirname(target), { recursive: true })
    yield* fs.remove(target, { recursive: true, force: true })
    yield* fs.rename(path.join(temporary, ...folder.split("/")), target)
    yield* Durable.syncDirectory(path.dirname(target))
  }
  return undefined
})

/** Copies saved work into the store and removes from the own part of it what is no longer listed. */
export const save = Effect.fn("SharedScratch.save")(function* (
  shared: Shared,
  body: Omit<typeof Body.Type, "format" | "at">,
  scratch: string
) {
  const own = `${prefixOf(body.cacheKey)}${body.run}/`
  const bytes = yield* uploadFiles(shared, `${own}files/`, scratch, body.files)
  const { cacheKey, files, host, pipeline, run, stage, step } = body
  const whole: typeof Body.Type = {
    ...{ format: 1 as const, cacheKey, stage, pipeline, run, host },
    ...{ at: new Date().toISOString(), step, files }
  }
  const text = JSON.stringify({ ...whole, digest: sha256(canonical(whole)) })
  yield* shared.objects.write(listKey(cacheKey, run), text, { ifAbsent: false })
  const listed = new Set(files.map((file) => `${own}files/${file.sha256}`))
  const spent = (yield* shared.objects.list(`${own}files/`)).filter(({ key }) => !listed.has(key))
  yield* shared.objects.remove(spent.map(({ key }) => key))
  return bytes
})

/** Removes what runs have saved towards an artifact, or one of them; lists first. */
export const remove = Effect.fnUntraced(function* ({ objects }: Shared, cacheKey: string, run?: string) {
  const keys = (yield* objects.list(`${prefixOf(cacheKey)}${run === undefined ? "" : `${run}/`}`)).map(
    ({ key }) => key
  )
  const isList = (key: string) => key.endsWith("/list.json")
  yield* Effect.forEach(keys.filter(isList), (key) => objects.remove([key]), { discard: true })
  yield* objects.remove(keys.filter((key) => !isList(key)))
})
