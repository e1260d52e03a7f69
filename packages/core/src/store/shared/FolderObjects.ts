/**
 * Objects in a folder that several machines share, such as one on NFS. An object is a file; it is written beside its place, flushed, and
 * renamed, or linked where one that is there must stay: of two links to one name the file system lets one succeed.
 */
import { createHash } from "node:crypto"
import { Effect, FileSystem, Option, Path, PlatformError } from "effect"
import * as Durable from "../Durable.ts"
import * as Folders from "../Folders.ts"
import * as Processes from "../Processes.ts"
import type { Content, Listed, Objects } from "./Objects.ts"
import { final, ofFiles, type StoreError } from "./StoreError.ts"

const isReason =
  (...tags: ReadonlyArray<string>) =>
  (error: PlatformError.PlatformError): boolean =>
    tags.includes(error.reason._tag)

const notFound = isReason("NotFound")

// A part of a write that a kill interrupted: no object.
const partSuffix = ".part"

/** Copies a file, with its digest. The copy is flushed. */
const copy = Effect.fnUntraced(function* (from: string, to: string) {
  const fs = yield* FileSystem.FileSystem
  const source = yield* fs.open(from, { flag: "r" })
  const target = yield* fs.open(to, { flag: "w" })
  const hash = createHash("sha256")
  const buffer = new Uint8Array(1 << 20)
  let bytes = 0
  for (;;) {
    const read = Number(yield* source.read(buffer))
    if (read === 0) break
    bytes += read
    hash.update(buffer.subarray(0, read))
    yield* target.writeAll(buffer.subarray(0, read))
  }
  yield* target.sync
  return { bytes, sha256: hash.digest("hex") }
}, Effect.scoped)

/** Absolute path of the store's folder, and where an object stands in it. */
interface Place {
  readonly root: string
  readonly pathOf: (key: string) => string
}

/** Whether a folder's file system has hard links at all. */
const canLink = (fs: FileSystem.FileSystem, file: string) =>
  fs.link(file, `${file}.link${partSuffix}`).pipe(
    Effect.as(true),
    Effect.orElseSucceed(() => false),
    Effect.ensuring(fs.remove(`${file}.link${partSuffix}`, { force: true }).pipe(Effect.ignore))
  )

const noLinks = (root: string): StoreError =>
  final(
    root,
    "no-condition",
    `The file system of ${root} has no hard links, by which the first of two writers wins. Use a folder on another file system as the store.`
  )

/** Has a file made beside an object's place, and puts it there. */
const place = Effect.fnUntraced(function* <E>(
  { pathOf, root }: Place,
  key: string,
  fill: (beside: string) => Effect.Effect<void, E, FileSystem.FileSystem | Path.Path>,
  ifAbsent: boolean
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const target = pathOf(key)
  const beside = `${target}.${Processes.unique()}${partSuffix}`
  const link = fs.link(beside, target).pipe(
    Effect.as("written" as const),
    Effect.catchIf(isReason("AlreadyExists"), () => Effect.succeed("there" as const)),
    Effect.catchIf(PlatformError.isPlatformError, (error) =>
      Effect.flatMap(canLink(fs, beside), (can) => Effect.fail(can ? error : noLinks(root)))
    )
  )
  const put = ifAbsent ? link : Effect.as(fs.rename(beside, target), "written" as const)
  const answer = yield* Folders.make(path.dirname(target)).pipe(
    Effect.andThen(fill(beside)),
    Effect.andThen(put),
    // Who removes the last object of a folder removes the folder, which may be this one.
    Effect.retry({ times: 3, while: (error) => PlatformError.isPlatformError(error) && notFound(error) }),
    Effect.ensuring(fs.remove(beside, { force: true }).pipe(Effect.ignore))
  )
  yield* Durable.syncDirectory(path.dirname(target))
  return answer
})

const upload = (at: Place, key: string, { file, sha256 }: Content) =>
  place(
    at,
    key,
    (beside) =>
      Effect.flatMap(copy(file, beside), (copied) =>
        copied.sha256 === sha256
          ? Effect.void
          : Effect.fail(
              final(
                at.root,
                "damaged",
                `${file} changed while it was copied into the store ${at.root}. Run it again.`
              )
            )
      ),
    false
  )

const list = Effect.fnUntraced(function* ({ pathOf }: Place, prefix: string) {
  const fs = yield* FileSystem.FileSystem
  const found: Array<Listed> = []
  const pending = [prefix]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const entries = yield* fs
      .readDirectoryEntries(pathOf(next))
      .pipe(Effect.catchIf(notFound, () => Effect.succeed([])))
    for (const { name, type } of entries) {
      if (type === "Directory") pending.push(`${next}${name}/`)
      if (type !== "File" || name.endsWith(partSuffix)) continue
      const info = yield* Effect.option(fs.stat(pathOf(next + name)))
      if (Option.isNone(info)) continue
      const at = Option.getOrElse(info.value.mtime, () => new Date(0)).getTime()
      found.push({ key: next + name, bytes: Number(info.value.size), at })
    }
  }
  return found
})

/** Removes files, and the folders that are empty by it. */
const remove = Effect.fnUntraced(function* ({ pathOf, root }: Place, keys: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  for (const key of keys) {
    yield* fs.remove(pathOf(key), { force: true })
    for (let parent = path.dirname(pathOf(key)); parent.startsWith(root); parent = path.dirname(parent)) {
      const left = yield* fs.readDirectory(parent).pipe(Effect.orElseSucceed(() => [""]))
      if (left.length > 0 || parent === root) break
      yield* fs.remove(parent, { recursive: true }).pipe(Effect.ignore)
    }
  }
})

/** The objects of a folder, which is made when something is written. */
export const make = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = path.resolve(directory)
  const services = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const pathOf = (key: string) => path.join(root, ...key.split("/"))
  const at: Place = { root, pathOf }
  const using =
    (what: string) =>
    <A>(
      effect: Effect.Effect<A, PlatformError.PlatformError | StoreError, FileSystem.FileSystem | Path.Path>
    ) =>
      effect.pipe(
        Effect.catchIf(PlatformError.isPlatformError, (error) =>
          Effect.fail(ofFiles(root, what, root)(error))
        ),
        Effect.provide(services)
      )
  const objects: Objects = {
    address: root,
    read: (key) =>
      fs.readFileString(pathOf(key)).pipe(
        Effect.asSome,
        Effect.catchIf(notFound, () => Effect.succeedNone),
        using("Reading the store")
      ),
    write: (key, text, { ifAbsent }) =>
      place(
        at,
        key,
        (beside) => Effect.andThen(fs.writeFileString(beside, text), Durable.syncFile(beside)),
        ifAbsent
      ).pipe(using("Writing into the store")),
    upload: (key, content) => upload(at, key, content).pipe(Effect.asVoid, using("Copying into the store")),
    download: (key, file) =>
      fs.exists(pathOf(key)).pipe(
        Effect.flatMap((there) => (there ? Effect.asSome(copy(pathOf(key), file)) : Effect.succeedNone)),
        using("Copying from the store")
      ),
    list: (prefix) => list(at, prefix).pipe(using("Listing the store")),
    names: (prefix) =>
      fs.readDirectory(pathOf(prefix)).pipe(
        Effect.catchIf(notFound, () => Effect.succeed([])),
        Effect.map((names) => names.filter((name) => !name.endsWith(partSuffix)).sort()),
        using("Listing the store")
      ),
    remove: (keys) => remove(at, keys).pipe(using("Removing from the store"))
  }
  return objects
})
