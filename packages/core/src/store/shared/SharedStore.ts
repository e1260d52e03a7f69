/**
 * The shared store: where several machines keep artifacts together, in front of which each has its workspace. None unless one is provided;
 * the workspace's folder alone is then the store.
 *
 * ```
 * artifacts/<stage>/<cache key>/files/<sha256>      contents of the artifact's files
 * artifacts/<stage>/<cache key>/manifest.json       written last and only where there is none: the first whole artifact wins
 * scratch/<cache key>/<run>/…                       work that another machine can go on with: see `SharedScratch`
 * ```
 *
 * Files bear their digest as their name, so that two writers never overwrite each other's; an artifact without its manifest is none.
 */
import { Context, Effect, FileSystem, Layer, Option, Path, PlatformError, Ref, Result } from "effect"
import type { Artifact, Kind } from "../Artifact.ts"
import * as Durable from "../Durable.ts"
import * as Processes from "../Processes.ts"
import * as Store from "../Store.ts"
import { temporaryDirectory, Workspace } from "../Workspace.ts"
import type { Objects } from "./Objects.ts"
import * as StoreAddress from "./StoreAddress.ts"
import { final, ofFiles } from "./StoreError.ts"

export interface Shared {
  readonly objects: Objects
  /** Whether the store has shown that it leaves alone what is there. */
  readonly proven: Ref.Ref<boolean>
}

/** The store that this process shares with others; undefined where there is none. */
export const SharedStore = Context.Reference<Shared | undefined>("@trainyard/core/SharedStore", {
  defaultValue: () => undefined
})

/** A store on objects that are there already. */
export const of = (objects: Objects): Effect.Effect<Shared> =>
  Effect.map(Ref.make(false), (proven) => ({ objects, proven }))

/** The store at an address: a folder, or `s3://bucket/prefix`. None without an address. Nothing is asked of it yet. */
export const layer = (address: string | undefined) =>
  Layer.effect(
    SharedStore,
    address === undefined ? Effect.succeed(undefined) : Effect.flatMap(StoreAddress.open(address), of)
  )

/** What artifacts of one name begin with in the store. */
export const prefixOf = (stage: string, cacheKey: string): string => `artifacts/${stage}/${cacheKey}/`

const manifestKey = (stage: string, cacheKey: string) => prefixOf(stage, cacheKey) + Store.manifestName

/** Whether a path of a manifest, which another machine may have written, stays within its folder. */
const isWithin = (path: string): boolean =>
  path !== "" &&
  !/[\\:\0]/.test(path) &&
  path.split("/").every((part) => part !== "" && part !== "." && part !== "..")

const hasSafePaths = (files: ReadonlyArray<Durable.FileEntry>): boolean =>
  files.every(({ path, sha256 }) => isWithin(path) && /^[0-9a-f]{64}$/.test(sha256))

export type Peeked =
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Damaged"; readonly problem: string; readonly text: string }
  | { readonly _tag: "Whole"; readonly manifest: Store.Manifest; readonly text: string }

/** The manifest of an artifact in the store: one request. Its files are not looked at. */
export const peek = Effect.fnUntraced(function* ({ objects }: Shared, stage: string, cacheKey: string) {
  const text = yield* objects.read(manifestKey(stage, cacheKey))
  if (Option.isNone(text)) return { _tag: "Absent" } as Peeked
  const damaged = (problem: string): Peeked => ({ _tag: "Damaged", problem, text: text.value })
  const parsed = Store.parseManifest(text.value)
  if (Result.isFailure(parsed)) return damaged(parsed.failure)
  const manifest = parsed.success
  if (manifest.cacheKey !== cacheKey || manifest.keyParts.stage !== stage)
    return damaged("its manifest.json is another artifact's")
  if (!hasSafePaths(manifest.files)) return damaged("its manifest.json names files outside its folder")
  return { _tag: "Whole", manifest, text: text.value } as Peeked
})

/** The artifact that the store has of a name, as it will stand in the workspace; undefined where it has none of this kind. */
export const described = Effect.fnUntraced(function* (
  shared: Shared,
  kind: Kind,
  stage: string,
  cacheKey: string
) {
  const found = yield* peek(shared, stage, cacheKey)
  if (found._tag !== "Whole") return undefined
  const directory = yield* Store.directoryOf(stage, cacheKey)
  const artifact: Artifact | undefined = yield* Store.describedBy(kind, found.manifest, directory).pipe(
    Effect.orElseSucceed(() => undefined)
  )
  return artifact
})

/** Copies files that bear their digests into a folder and checks them. A sentence about the first that is not what it should be. */
export const downloadFiles = Effect.fnUntraced(
  function* ({ objects }: Shared, prefix: string, files: ReadonlyArray<Durable.FileEntry>, into: string) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (!hasSafePaths(files)) return "its list names files outside its folder"
    const one = Effect.fnUntraced(function* ({ bytes, path: name, sha256 }: Durable.FileEntry) {
      const target = path.join(into, ...name.split("/"))
      yield* fs.makeDirectory(path.dirname(target), { recursive: true })
      // What is wrong once may have been damaged on the way.
      for (let attempt = 1; ; attempt++) {
        const got = yield* objects.download(prefix + sha256, target)
        if (Option.isNone(got)) return `file ${name} is missing there`
        if (got.value.sha256 === sha256 && got.value.bytes === bytes) return undefined
        if (attempt === 2) return `file ${name} is damaged there (its content does not match its digest)`
      }
    })
    const problems = yield* Effect.forEach(files, one, { concurrency: 4 })
    return problems.find((problem) => problem !== undefined)
  },
  (effect, { objects }, _prefix, _files, into) =>
    Effect.catchIf(effect, PlatformError.isPlatformError, (error) =>
      Effect.fail(ofFiles(objects.address, "Saving what the store gave", into)(error))
    )
)

export type Fetched =
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Damaged"; readonly problem: string; readonly text: string }
  | { readonly _tag: "Fetched"; readonly bytes: number }

/**
 * Copies an artifact from the store to its place in the workspace, where it stands whole or not at all; what stood there gives way. Hold
 * the lock of its cache key.
 */
export const fetch = Effect.fn("SharedStore.fetch")(function* (
  shared: Shared,
  stage: string,
  cacheKey: string
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const found = yield* peek(shared, stage, cacheKey)
  if (found._tag !== "Whole") return found as Fetched
  const output = yield* temporaryDirectory(`${stage} from the store`)
  const trash = path.join(workspace.tmp, `${Processes.toText(yield* Processes.self)}.${Processes.unique()}`)
  const { manifest, text } = found
  const failed = Effect.mapError(
    ofFiles(shared.objects.address, `Saving ${stage} from the store`, workspace.root)
  )
  const problem = yield* downloadFiles(shared, `${prefixOf(stage, cacheKey)}files/`, manifest.files, output)
  if (problem !== undefined) return { _tag: "Damaged", problem, text } as Fetched
  yield* Effect.gen(function* () {
    yield* fs.writeFileString(path.join(output, Store.manifestName), text)
    yield* Durable.publishDirectory(output, yield* Store.directoryOf(stage, cacheKey), trash)
  }).pipe(
    failed,
    Effect.ensuring(fs.remove(trash, { recursive: true, force: true }).pipe(Effect.ignore)),
    Effect.uninterruptible
  )
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0)
  return { _tag: "Fetched", bytes } as Fetched
}, Effect.scoped)

/** Copies files into the store below a prefix, each under its digest, but for those that are there. */
export const uploadFiles = Effect.fnUntraced(function* (
  { objects }: Shared,
  prefix: string,
  directory: string,
  files: ReadonlyArray<Durable.FileEntry>
) {
  const path = yield* Path.Path
  const there = new Map((yield* objects.list(prefix)).map(({ bytes, key }) => [key, bytes]))
  const wanted = new Map(files.map((file) => [file.sha256, file]))
  const missing = [...wanted.values()].filter(({ bytes, sha256 }) => there.get(prefix + sha256) !== bytes)
  yield* Effect.forEach(
    missing,
    ({ bytes, path: name, sha256 }) =>
      objects.upload(prefix + sha256, { file: path.join(directory, ...name.split("/")), bytes, sha256 }),
    { concurrency: 4, discard: true }
  )
  return missing.reduce((sum, file) => sum + file.bytes, 0)
})

/** Whether the store leaves alone what is there, as asked: seen once, on a manifest that is there by now. */
const prove = Effect.fnUntraced(function* ({ objects, proven }: Shared, key: string, text: string) {
  if (yield* Ref.get(proven)) return
  if ((yield* objects.write(key, text, { ifAbsent: true })) === "written")
    return yield* final(
      objects.address,
      "no-condition",
      `${objects.address} ignores If-None-Match: it replaces what it was asked to leave alone, so two machines could overwrite each other's artifacts. Use a store that honours it.`
    )
  yield* Ref.set(proven, true)
})

/** What became of an artifact that was to be kept: "other" means that another one of this name was there first, and stays. */
export type Pushed = "written" | "same" | "other"

/**
 * Copies an artifact of the workspace into the store, files first, the manifest last and only if there is none yet. `replace` puts it in
 * place of one that is there.
 */
export const push = Effect.fn("SharedStore.push")(function* (
  shared: Shared,
  { cacheKey, directory }: Pick<Artifact, "cacheKey" | "directory">,
  stage: string,
  options: { readonly replace: boolean }
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { objects } = shared
  const key = manifestKey(stage, cacheKey)
  const manifest = yield* Store.readManifest(directory)
  const text = yield* fs
    .readFileString(path.join(directory, Store.manifestName))
    .pipe(Effect.mapError(ofFiles(objects.address, "Copying into the store", directory)))
  const compare = Effect.map(objects.read(key), (there): Pushed | undefined =>
    Option.isNone(there) ? undefined : there.value === text ? "same" : "other"
  )
  const before = options.replace ? undefined : yield* compare
  if (before !== undefined) return before
  yield* uploadFiles(shared, `${prefixOf(stage, cacheKey)}files/`, directory, manifest.files)
  const answer = yield* objects.write(key, text, { ifAbsent: !options.replace })
  if (answer === "there") {
    // Also after an own request whose answer was lost.
    return (yield* compare) === "same" ? "written" : "other"
  }
  yield* prove(shared, key, text)
  return "written" as Pushed
})

/** Removes an artifact from the store, its manifest first. With `text`, only if that is still its manifest. */
export const discard = Effect.fnUntraced(function* (
  { objects }: Shared,
  stage: string,
  cacheKey: string,
  text?: string
) {
  const key = manifestKey(stage, cacheKey)
  if (text !== undefined) {
    const now = yield* objects.read(key)
    if (Option.isSome(now) && now.value !== text) return
  }
  const listed = yield* objects.list(prefixOf(stage, cacheKey))
  yield* objects.remove([key, ...listed.map((each) => each.key).filter((each) => each !== key)])
})
