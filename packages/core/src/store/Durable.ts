/**
 * Writing so that what is there is whole, even after the power fails: write beside, flush, rename, flush the folder. A stage that keeps
 * checkpoints writes them with this too.
 */
import { createHash } from "node:crypto"
import { Effect, FileSystem, Path, PlatformError, Schema } from "effect"
import * as Folders from "./Folders.ts"
import * as Processes from "./Processes.ts"

/** A file of a folder as its manifest lists it. */
export const FileEntry = Schema.Struct({
  /** Path in the folder, with `/`. */
  path: Schema.String,
  bytes: Schema.Int,
  /** SHA-256 of the content, hexadecimal. */
  sha256: Schema.String
})
export type FileEntry = typeof FileEntry.Type

// Windows flushes only what is open for writing; elsewhere a file that may not be written can be flushed too.
const flushFlag = process.platform === "win32" ? "r+" : "r"

/** Flushes a file to the disk. */
export const syncFile = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  yield* Effect.scoped(Effect.flatMap(fs.open(file, { flag: flushFlag }), (open) => open.sync))
})

/** Flushes a folder's list of names to the disk. Windows has no such call and keeps the list itself. */
export const syncDirectory = Effect.fnUntraced(function* (directory: string) {
  if (process.platform === "win32") return
  const fs = yield* FileSystem.FileSystem
  yield* Effect.scoped(Effect.flatMap(fs.open(directory, { flag: "r" }), (open) => open.sync))
})

/** Every file below a folder, sorted, as paths with `/`; and the folders, the given one last. Fails on links. */
export const walk = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const files: Array<string> = []
  const directories: Array<string> = []
  const visit = (relative: string): Effect.Effect<void, PlatformError.PlatformError> =>
    Effect.gen(function* () {
      for (const entry of yield* fs.readDirectoryEntries(path.join(directory, relative))) {
        const name = relative === "" ? entry.name : `${relative}/${entry.name}`
        if (entry.type === "Directory") yield* visit(name)
        else if (entry.type === "File") files.push(name)
        else {
          return yield* Effect.fail(
            PlatformError.systemError({
              _tag: "InvalidData",
              module: "Durable",
              method: "walk",
              pathOrDescriptor: path.join(directory, name),
              description: "only files and folders can be kept; this is neither"
            })
          )
        }
      }
      directories.push(relative)
    })
  yield* visit("")
  return { files: files.sort(), directories }
})

const chunkBytes = 1 << 20

/** SHA-256 of a file, hexadecimal, and its size. Reads a megabyte at a time. */
export const digestFile = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const open = yield* fs.open(file, { flag: "r" })
      const hash = createHash("sha256")
      const buffer = new Uint8Array(chunkBytes)
      let bytes = 0
      for (;;) {
        const read = yield* open.read(buffer)
        if (Number(read) === 0) break
        bytes += Number(read)
        hash.update(buffer.subarray(0, Number(read)))
      }
      return { bytes, sha256: hash.digest("hex") }
    })
  )
})

/** Lists the files of a folder with sizes and digests, in the order of their paths. */
export const digestDirectory = Effect.fnUntraced(function* (directory: string) {
  const path = yield* Path.Path
  const { files } = yield* walk(directory)
  return yield* Effect.forEach(
    files,
    (name) =>
      Effect.map(digestFile(path.join(directory, name)), (digest): FileEntry => ({ path: name, ...digest })),
    { concurrency: 4 }
  )
})

/** Flushes every file and folder below a folder. */
export const syncTree = Effect.fnUntraced(function* (directory: string) {
  const path = yield* Path.Path
  const { directories, files } = yield* walk(directory)
  yield* Effect.forEach(files, (name) => syncFile(path.join(directory, name)), {
    concurrency: 4,
    discard: true
  })
  yield* Effect.forEach(directories, (name) => syncDirectory(path.join(directory, name)), { discard: true })
})

/**
 * Moves a finished folder to its place: flushes all of it, renames it, flushes the parent. A folder that stood there is moved to
 * `trash` (on the same file system) first, for the caller to remove. At every moment the place holds a whole folder or none.
 */
export const publishDirectory = Effect.fnUntraced(function* (from: string, to: string, trash: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* syncTree(from)
  yield* Folders.make(path.dirname(to))
  if (yield* fs.exists(to)) yield* fs.rename(to, trash)
  yield* fs.rename(from, to)
  yield* syncDirectory(path.dirname(to))
})

/** Writes a small file whole: beside, flushed, renamed. */
export const writeFile = Effect.fnUntraced(function* (file: string, text: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const beside = `${file}.${Processes.unique()}.part`
  yield* Effect.gen(function* () {
    yield* fs.writeFileString(beside, text)
    yield* syncFile(beside)
    yield* fs.rename(beside, file)
  }).pipe(Effect.onError(() => fs.remove(beside, { force: true }).pipe(Effect.ignore)))
  yield* syncDirectory(path.dirname(file))
})

/** A reason why files are not there with their sizes, naming the file; undefined when all are. */
export const compareSizes = Effect.fnUntraced(function* (
  directory: string,
  entries: ReadonlyArray<FileEntry>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  for (const entry of entries) {
    const info = yield* fs.stat(path.join(directory, entry.path)).pipe(Effect.option)
    if (info._tag === "None" || info.value.type !== "File") return `file ${entry.path} is missing`
    if (Number(info.value.size) !== entry.bytes) {
      return `file ${entry.path} has ${info.value.size} bytes instead of ${entry.bytes}`
    }
  }
  return undefined
})

/** A reason why files are not what their list says, content included, naming the file; undefined when all are. */
export const compare = Effect.fnUntraced(function* (directory: string, entries: ReadonlyArray<FileEntry>) {
  const path = yield* Path.Path
  // Sizes first: they cost nothing and find most damage.
  const misfit = yield* compareSizes(directory, entries)
  if (misfit !== undefined) return misfit
  const problems = yield* Effect.forEach(
    entries,
    (entry) =>
      digestFile(path.join(directory, entry.path)).pipe(
        Effect.map((digest) =>
          digest.sha256 === entry.sha256
            ? undefined
            : `file ${entry.path} is damaged (its content does not match its digest)`
        ),
        Effect.catch((error) => Effect.succeed(`file ${entry.path} cannot be read (${error.message})`))
      ),
    { concurrency: 4 }
  )
  return problems.find((problem) => problem !== undefined)
})
