/** Paths on this machine as settings of sources, and the files that they name. */

import { createHash } from "node:crypto"
import { Effect, FileSystem, Option, Path, Schema } from "effect"
import { SourceUnavailable } from "../CollectError.ts"
import { digestFiles } from "../fileDigests.ts"

/** A path, and no address. */
export const localPath = Schema.NonEmptyString.check(
  Schema.makeFilter((path) =>
    /^[a-z][a-z0-9+.-]+:\/\//i.test(path)
      ? "a path on this machine is needed, and this is an address. Download it first, or use Source.git or Source.npm"
      : undefined
  )
)

/** The absolute path of a file that exists. `needed` says what to give instead: "Source.archive a tar file". */
export const existingFile = Effect.fnUntraced(function* (origin: string, name: string, needed: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.resolve(name)
  const info = yield* fs.stat(file).pipe(Effect.option)
  const unavailable = (message: string) =>
    new SourceUnavailable({ source: origin, message, transient: false })
  if (Option.isNone(info)) return yield* unavailable(`There is no file ${file}. Give ${needed} that exists.`)
  if (info.value.type !== "File")
    return yield* unavailable(`${file} is not a file. For a folder use Source.folder.`)
  return file
})

/** A file of a source, and its path within the source. */
export interface DataFile {
  readonly file: string
  readonly name: string
}

/**
 * The files that a path means: itself, or below a folder all whose names end in one of `endings`, in the order of their paths. Hidden files
 * and folders are not among them: a downloaded data set keeps its cache there.
 */
export const dataFiles = Effect.fnUntraced(function* (
  origin: string,
  name: string,
  endings: ReadonlyArray<string>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const place = path.resolve(name)
  const unavailable = (message: string) =>
    new SourceUnavailable({ source: origin, message, transient: false })
  const info = yield* fs.stat(place).pipe(Effect.option)
  const list = endings.join(", ")
  if (Option.isNone(info))
    return yield* unavailable(`There is no ${place}. Give a file that exists, or a folder of ${list} files.`)
  if (info.value.type === "File") {
    const files: ReadonlyArray<DataFile> = [{ file: place, name: path.basename(place) }]
    return { files, location: { type: "file" as const, path: place } }
  }
  const names = yield* fs
    .readDirectory(place, { recursive: true })
    .pipe(Effect.mapError((error) => unavailable(`The folder ${place} cannot be read: ${error.message}`)))
  const files: ReadonlyArray<DataFile> = names
    .map((inside) => inside.split(path.sep).join("/"))
    .filter((inside) => !inside.split("/").some((part) => part.startsWith(".")))
    .filter((inside) => endings.some((ending) => inside.toLowerCase().endsWith(ending)))
    .sort()
    .map((inside) => ({ file: path.join(place, inside), name: inside }))
  if (files.length === 0)
    return yield* unavailable(
      `The folder ${place} holds no file that ends in ${list}. Give the folder that does.`
    )
  return { files, location: { type: "folder" as const, path: place } }
})

/** A digest of the names and bytes of the files that a path means. */
export const digestDataFiles = Effect.fnUntraced(function* (
  origin: string,
  name: string,
  endings: ReadonlyArray<string>
) {
  const { files } = yield* dataFiles(origin, name, endings)
  const bytes = yield* digestFiles(files.map(({ file }) => file))
  return createHash("sha256")
    .update(JSON.stringify([files.map((file) => file.name), bytes]))
    .digest("hex")
})
