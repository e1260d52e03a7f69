/** The files of a folder. */
import { createHash } from "node:crypto"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path, Schema } from "effect"
import { withMemory } from "../fileDigests.ts"
import { digestFolder, readFolder } from "../folder.ts"
import { isEvidence } from "../folderLicences.ts"
import * as Globs from "../Globs.ts"
import { isManifest, licenceOfManifest } from "../licence.ts"
import { make, type Globs as Patterns } from "../SourceDefinition.ts"
import { fileTree } from "./fileTree.ts"
import { localPath } from "./localFiles.ts"

const config = {
  /** Path of a folder. Relative paths start at the current folder. */
  path: localPath,
  /**
   * Whether files that git ignores are left out.
   * @defaultValue `true`
   */
  gitignore: Schema.optionalKey(Schema.Boolean)
}
type Config = Schema.Struct<typeof config>["Type"] & Patterns

/** How a folder is read, except for the choice of its files. */
const readingOf = Effect.fnUntraced(function* (source: Config, maximumFileBytes: number) {
  const path = yield* Path.Path
  const workspace = yield* Workspace.Workspace
  return {
    source: `folder:${source.path}`,
    directory: path.resolve(source.path),
    gitignore: source.gitignore ?? true,
    workspace: workspace.root,
    maximumFileBytes
  }
})

/** Digests the files that globs take. Of a file that they do not take, only the licence counts that it states for its folder. */
const digest = Effect.fnUntraced(function* (source: Config, maximumFileBytes: number) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { excludesFolder, matches } = Globs.make(source, { hints: false })
  const hash = createHash("sha256")
  const reading = yield* readingOf(source, maximumFileBytes)
  // Another choice of the same folder's files is remembered on its own.
  const choice = JSON.stringify([reading.directory, source.include, source.exclude])
  const wanted = (file: string): boolean => matches(file) || isEvidence(file)
  const manifests: Array<string> = []
  yield* withMemory(choice, (remembered) =>
    digestFolder({ ...reading, wanted, excludesFolder, warn: () => {} }, remembered, (file, state) =>
      // A manifest has more than the licence, and changes more often.
      isManifest(file) && !matches(file)
        ? void manifests.push(file)
        : void hash.update(`\0file\0${file}\0${state}`)
    )
  )
  for (const manifest of manifests) {
    const licence = yield* fs.readFile(path.join(reading.directory, manifest)).pipe(
      Effect.map((bytes) => licenceOfManifest(manifest, bytes)),
      Effect.orElseSucceed(() => null)
    )
    if (licence !== null) hash.update(`\0licence\0${manifest}\0${licence}`)
  }
  return hash.digest("hex")
})

export const folderSource = make({
  name: "folder",
  source: import.meta.url,
  config,
  origin: ({ path }) => path,
  // A larger file is not read: no model learns from it.
  digest: (source, { maximumFileBytes }) => digest(source, maximumFileBytes),
  open: Effect.fnUntraced(function* (source, context) {
    const reading = yield* readingOf(source, context.maximumFileBytes)
    const tree = fileTree(context)
    const { excludesFolder, warn } = context
    const files = readFolder({ ...reading, wanted: tree.wanted, excludesFolder, warn })
    return {
      documents: tree.documents(files),
      location: { type: "folder", path: reading.directory }
    } as const
  })
})

/**
 * The files of a folder, those of workspaces left out. In a git work tree they are the files that git tracks or would track; elsewhere
 * those that no `.gitignore` file names. Links are not followed.
 */
export const folder = (path: string, options: Patterns & { readonly gitignore?: boolean } = {}) =>
  folderSource({ path, ...options })
