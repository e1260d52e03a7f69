/** The files of a tar, gzipped tar or zip file. */
import { Effect } from "effect"
import { readArchive } from "../archive.ts"
import { digestFiles } from "../fileDigests.ts"
import { type Globs, make } from "../SourceDefinition.ts"
import { fileTree } from "./fileTree.ts"
import { existingFile, localPath } from "./localFiles.ts"

const needed = "Source.archive a tar, tar.gz or zip file"

export const archiveSource = make({
  name: "archive",
  source: import.meta.url,
  config: {
    /** Path of a .tar, .tar.gz or .zip file. The format is detected from its content. */
    path: localPath
  },
  origin: ({ path }) => path,
  digest: ({ path }) =>
    Effect.flatMap(existingFile(`archive:${path}`, path, needed), (file) => digestFiles([file])),
  open: Effect.fnUntraced(function* ({ path }, context) {
    const file = yield* existingFile(context.origin, path, needed)
    const tree = fileTree(context)
    const files = readArchive(file, {
      source: context.origin,
      wanted: tree.wanted,
      limits: context,
      maximumFileBytes: context.maximumFileBytes,
      strip: 0
    })
    return { documents: tree.documents(files), location: { type: "file", path: file } } as const
  })
})

/** The files of a tar, gzipped tar or zip file. */
export const archive = (path: string, options: Globs = {}) => archiveSource({ path, ...options })
