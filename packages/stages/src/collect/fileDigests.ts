/**
 * Digests of a folder's files, remembered in the workspace, so that planning reads only what changed. As git does, a file is taken to be
 * the same while its size, its times to the nanosecond and its inode are; and a file that changed just before it was read is read again the
 * next time, because a change within the same tick of the clock would not show.
 */
import { createHash } from "node:crypto"
import { stat } from "node:fs/promises"
import * as Durable from "@trainyard/core/Durable"
import * as Workspace from "@trainyard/core/Workspace"
import { Clock, Effect, FileSystem, Path, Stream } from "effect"
import { SourceUnavailable } from "./CollectError.ts"

/** The state of a file. Two states with the same stamp are taken to be the same. */
export interface Stamped {
  readonly path: string
  readonly stamp: string
  /** Milliseconds at which the file was last changed. */
  readonly changed: number
}

export interface Remembered {
  readonly get: (file: Stamped) => string | undefined
  readonly set: (file: Stamped, digest: string) => void
}

const title = "file digests 1"
/** FAT has the coarsest time stamps in use, two seconds; and one second more. */
const settledMilliseconds = 3000

const checksum = (text: string): string => createHash("sha256").update(text).digest("hex")

/** Lines of `<stamp> <digest> <path, percent-encoded>` below a line with their checksum: a damaged file is ignored. */
const parse = (text: string): Map<string, { readonly stamp: string; readonly digest: string }> => {
  const files = new Map<string, { readonly stamp: string; readonly digest: string }>()
  const end = text.indexOf("\n")
  const rest = text.slice(end + 1)
  if (end === -1 || text.slice(0, end) !== `${title} ${checksum(rest)}`) return files
  for (const line of rest.split("\n")) {
    const [stamp, digest] = line.split(" ", 2)
    if (stamp === undefined || digest === undefined) continue
    files.set(decodeURIComponent(line.slice(stamp.length + digest.length + 2)), { stamp, digest })
  }
  return files
}

/**
 * Runs work with the digests remembered for a folder, and stores those of the files that it asked about. A workspace that does not exist or
 * cannot be written is no error.
 */
export const withMemory = Effect.fnUntraced(function* <A, E, R>(
  directory: string,
  work: (remembered: Remembered) => Effect.Effect<A, E, R>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace.Workspace
  const folder = path.join(workspace.root, "folders")
  const file = path.join(folder, `${checksum(directory).slice(0, 16)}.txt`)
  const before = parse(yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => "")))
  const started = yield* Clock.currentTimeMillis
  const after = new Map<string, string>()
  let fresh = 0
  const result = yield* work({
    get: ({ path: name, stamp }) => {
      const known = before.get(name)
      if (known === undefined || known.stamp !== stamp) return undefined
      after.set(name, `${stamp} ${known.digest}`)
      return known.digest
    },
    set: ({ changed, path: name, stamp }, digest) => {
      if (changed > started - settledMilliseconds) return
      after.set(name, `${stamp} ${digest}`)
      fresh++
    }
  })
  if (fresh > 0 || after.size !== before.size) {
    const rest = [...after].map(([name, known]) => `${known} ${encodeURIComponent(name)}\n`).join("")
    yield* fs.makeDirectory(folder).pipe(Effect.ignore)
    yield* Durable.writeFile(file, `${title} ${checksum(rest)}\n${rest}`).pipe(Effect.ignore)
  }
  return result
})

/**
 * A digest of the bytes of files, for a source's `digest`. A file that has not changed since its bytes were last digested in this workspace
 * is not read again. Fails with `SourceUnavailable` for a file that cannot be read.
 */
export const digestFiles = Effect.fn("Source.digestFiles")(function* (files: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const unavailable = (file: string) => (error: { readonly message: string }) =>
    new SourceUnavailable({
      source: file,
      message: `${file} cannot be read: ${error.message}`,
      transient: false
    })
  const digest = Effect.fnUntraced(function* (file: string, remembered: Remembered) {
    const info = yield* Effect.tryPromise(() => stat(file, { bigint: true })).pipe(
      Effect.mapError(unavailable(file))
    )
    const stamped: Stamped = {
      path: file,
      stamp: [info.size, info.mtimeNs, info.ctimeNs, info.ino].join(":"),
      changed: Math.max(Number(info.mtimeMs), Number(info.ctimeMs))
    }
    const known = remembered.get(stamped)
    if (known !== undefined) return known
    const hash = createHash("sha256")
    yield* Stream.runForEach(fs.stream(file, { chunkSize: 1 << 18 }), (chunk) =>
      Effect.sync(() => void hash.update(chunk))
    ).pipe(Effect.mapError(unavailable(file)))
    const value = hash.digest("hex")
    remembered.set(stamped, value)
    return value
  })
  const absolute = files.map((file) => path.resolve(file))
  const digests = yield* withMemory(`files ${JSON.stringify(absolute)}`, (remembered) =>
    Effect.forEach(absolute, (file) => digest(file, remembered), { concurrency: 4 })
  )
  return checksum(digests.join("\n"))
})
