/**
 * One checkpoint on disk, whole or not there at all.
 *
 * A checkpoint is a folder of files and a marker, `checkpoint.json`, which holds every file's size and SHA-256. It is written
 * beside its place, each file fsynced, and renamed; the marker is written last. Removing deletes the marker first. So a
 * folder without a marker, or whose files do not match it, is no checkpoint, whenever the process was killed.
 */
import { createHash } from "node:crypto"
import { basename, dirname, join } from "node:path"
import * as Durable from "@trainyard/core/Durable"
import { Effect, FileSystem, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"

export const markerName = "checkpoint.json"
export const writingPrefix = ".writing-"
const pieceBytes = 1 << 20

const FileName = Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/)))
const FileDigest = Schema.Struct({ name: FileName, bytes: Schema.Int, sha256: Schema.String })
type FileDigest = typeof FileDigest.Type

const Marker = Schema.Struct({
  version: Schema.Literal(1),
  step: Schema.Int,
  files: Schema.Array(FileDigest),
  /** SHA-256 of this marker's other fields as JSON, so that a change in the marker itself shows. */
  sha256: Schema.String
})
const decodeMarker = Schema.decodeUnknownEffect(Schema.fromJsonString(Marker))

/** The folder is not a whole checkpoint. */
export class BrokenCheckpoint extends Schema.TaggedError<BrokenCheckpoint>()("BrokenCheckpoint", {
  directory: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `${this.directory} is not a whole checkpoint: ${this.why}`
  }
}

/** Bytes that lie in a file. */
export interface Stored {
  readonly path: string
  readonly byteLength: number
}

/** A file to write: its name, and its bytes in pieces. */
export interface File {
  readonly name: string
  readonly pieces: ReadonlyArray<Uint8Array | Stored>
}

export const bytesOf = (files: ReadonlyArray<File>): number =>
  files.reduce((sum, file) => sum + file.pieces.reduce((bytes, piece) => bytes + piece.byteLength, 0), 0)

const sealed = (step: number, files: ReadonlyArray<FileDigest>): string =>
  createHash("sha256")
    .update(JSON.stringify({ version: 1, step, files }))
    .digest("hex")

/** Calls `use` with a stored file's bytes, part by part, each only until the next. */
const forEachPart = Effect.fnUntraced(function* <E>(
  path: string,
  use: (part: Uint8Array) => Effect.Effect<void, E>
) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(path, { flag: "r" })
  const buffer = Buffer.allocUnsafeSlow(pieceBytes)
  for (;;) {
    const count = Number(yield* file.read(buffer))
    if (count === 0) return
    yield* use(buffer.subarray(0, count))
  }
}, Effect.scoped)

/** Writes a file and forces it to disk. Goes in small pieces, so that the event loop is never held for long. */
const writeFile = Effect.fnUntraced(function* (path: string, pieces: File["pieces"]) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(path, { flag: "wx" })
  const hash = createHash("sha256")
  let bytes = 0
  const append = (part: Uint8Array) =>
    Effect.suspend(() => {
      hash.update(part)
      bytes += part.byteLength
      return file.writeAll(part)
    })
  for (const piece of pieces)
    if (piece instanceof Uint8Array)
      for (let at = 0; at < piece.byteLength; at += pieceBytes)
        yield* append(piece.subarray(at, at + pieceBytes))
    else yield* forEachPart(piece.path, append)
  yield* file.sync
  return { name: basename(path), bytes, sha256: hash.digest("hex") }
}, Effect.scoped)

/** Forces a folder's entries to disk, where the system can. */
const syncDirectory = (directory: string) => Effect.ignore(Durable.syncDirectory(directory))

/**
 * Writes a checkpoint at `directory`, which must not exist. Fails with the file system's own error, leaving nothing that could be
 * taken for a checkpoint. Gives its size in bytes.
 */
export const write = Effect.fnUntraced(function* (
  directory: string,
  step: number,
  files: ReadonlyArray<File>
) {
  const fs = yield* FileSystem.FileSystem
  const beside = join(dirname(directory), writingPrefix + basename(directory))
  yield* fs.remove(beside, { recursive: true, force: true })
  const clear = Effect.andThen(
    Effect.ignore(fs.remove(beside, { recursive: true, force: true })),
    Effect.ignore(fs.remove(join(directory, markerName), { force: true }))
  )
  return yield* Effect.gen(function* () {
    yield* fs.makeDirectory(beside, { recursive: true })
    const digests: Array<FileDigest> = []
    for (const file of files) digests.push(yield* writeFile(join(beside, file.name), file.pieces))
    const marker = JSON.stringify({ version: 1, step, files: digests, sha256: sealed(step, digests) })
    const pending = join(beside, `${markerName}.next`)
    yield* writeFile(pending, [Buffer.from(marker)])
    yield* syncDirectory(beside)
    yield* fs.rename(beside, directory)
    yield* syncDirectory(dirname(directory))
    yield* fs.rename(join(directory, `${markerName}.next`), join(directory, markerName))
    yield* syncDirectory(directory)
    return digests.reduce((sum, digest) => sum + digest.bytes, marker.length)
  }).pipe(Effect.onError(() => clear))
})

/** Removes a checkpoint, its marker first. */
export const remove = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.remove(join(directory, markerName), { force: true })
  yield* syncDirectory(directory)
  yield* fs.remove(directory, { recursive: true, force: true })
})

/** Removes what interrupted writes left in a folder of checkpoints. */
export const sweep = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  for (const name of yield* fs.readDirectory(root))
    if (name.startsWith(writingPrefix)) yield* fs.remove(join(root, name), { recursive: true, force: true })
})

/** A checkpoint found to be what was written. */
export interface Verified {
  readonly directory: string
  readonly step: number
  /** Where each file lies, by name. */
  readonly files: ReadonlyMap<string, Stored>
}

const orBroken = (directory: string, what: string) => (error: PlatformError) =>
  new BrokenCheckpoint({ directory, why: `${what} cannot be read (${error.reason._tag})` })

const digestOf = Effect.fnUntraced(function* (path: string) {
  const hash = createHash("sha256")
  yield* forEachPart(path, (part) => Effect.sync(() => void hash.update(part)))
  return hash.digest("hex")
})

/** Goes through a whole checkpoint and compares every byte with the marker's digests. Keeps none of them in memory. */
export const read = Effect.fn("CheckpointFolder.read")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const broken = (why: string) => new BrokenCheckpoint({ directory, why })
  const text = yield* fs
    .readFileString(join(directory, markerName))
    .pipe(
      Effect.mapError((error) =>
        error.reason._tag === "NotFound"
          ? broken(`it has no ${markerName}, so it was not finished`)
          : orBroken(directory, markerName)(error)
      )
    )
  const marker = yield* decodeMarker(text).pipe(Effect.mapError(() => broken(`${markerName} is damaged`)))
  if (marker.sha256 !== sealed(marker.step, marker.files)) return yield* broken(`${markerName} is damaged`)
  const files = new Map<string, Stored>()
  for (const { bytes, name, sha256 } of marker.files) {
    const path = join(directory, name)
    const { size } = yield* fs.stat(path).pipe(Effect.mapError(orBroken(directory, name)))
    if (Number(size) !== bytes) return yield* broken(`${name} has ${size} bytes and should have ${bytes}`)
    const digest = yield* digestOf(path).pipe(Effect.mapError(orBroken(directory, name)))
    if (digest !== sha256) return yield* broken(`${name} is not what was written (its SHA-256 differs)`)
    files.set(name, { path, byteLength: bytes })
  }
  return { directory, step: marker.step, files } satisfies Verified
})
