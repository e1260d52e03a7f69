/**
 * The artifacts of the workspace for the page: what each is, what it was made from and what was made from it, and its files. Only files that an
 * artifact's manifest lists are ever handed out.
 */
import * as Store from "@trainyard/core/Store"
import * as View from "@trainyard/core/View"
import { Workspace } from "@trainyard/core/Workspace"
import { Model } from "@trainyard/stages/generate/ModelArtifact"
import { kinds } from "@trainyard/stages/kinds"
import { Context, Effect, FileSystem, Layer, Path, Ref, Schema } from "effect"
import { lineageOf } from "./lineage.ts"
import type { ArtifactDetail, ArtifactEntry } from "./Payload.ts"

/** An artifact, or a file of one, that is not in the workspace. */
export class NotThere extends Schema.TaggedError<NotThere>()("NotThere", { message: Schema.String }) {}

const largestDocument = 1 << 20
const largestImage = 200_000

const entryOf = (manifest: Store.Manifest): ArtifactEntry => ({
  stage: manifest.keyParts.stage,
  cacheKey: manifest.cacheKey,
  kind: manifest.kind,
  node: manifest.node,
  pipeline: manifest.pipeline,
  run: manifest.run,
  at: manifest.at,
  seconds: manifest.seconds,
  bytes: manifest.files.reduce((sum, file) => sum + file.bytes, 0),
  inputs: manifest.keyParts.inputs
})

/** Facts and sections by the view of its kind; its value where the kind is not known here. */
const shown = Effect.fnUntraced(function* (directory: string, manifest: Store.Manifest) {
  const kind = kinds.find(({ name }) => name === manifest.kind)
  const view = kind === undefined ? undefined : yield* View.of(kind)
  if (kind === undefined || view === undefined)
    return {
      facts: [],
      result: undefined,
      sections: [{ title: "Value", text: JSON.stringify(manifest.value, null, 2) }]
    }
  const { artifact } = yield* Store.openWith(kind, directory, { files: "sizes" })
  return {
    facts: yield* View.facts(view, artifact),
    result: view.result,
    sections: yield* View.sections(view, artifact, () => view.sections(artifact))
  }
})

/** The Markdown file that people open: what the view names, else the artifact's README. */
const documentOf = Effect.fnUntraced(function* (
  directory: string,
  manifest: Store.Manifest,
  result?: string
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const found = [result, "report.md", "README.md"]
    .map((name) => manifest.files.find((file) => file.path === name && file.path.endsWith(".md")))
    .find((file) => file !== undefined && file.bytes <= largestDocument)
  if (found === undefined) return null
  return yield* fs.readFileString(path.join(directory, found.path)).pipe(
    Effect.map((text) => ({ name: found.path, text })),
    Effect.orElseSucceed(() => null)
  )
})

/** Small pictures as data URIs, by file. */
const imagesOf = Effect.fnUntraced(function* (directory: string, manifest: Store.Manifest) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const small = manifest.files.filter((file) => /\.(svg|png)$/.test(file.path) && file.bytes <= largestImage)
  const images = yield* Effect.forEach(small, ({ path: name }) =>
    fs.readFile(path.join(directory, name)).pipe(
      Effect.map((bytes) => {
        const type = name.endsWith(".svg") ? "image/svg+xml" : "image/png"
        return [[name, `data:${type};base64,${Buffer.from(bytes).toString("base64")}`] as const]
      }),
      Effect.orElseSucceed(() => [])
    )
  )
  return Object.fromEntries(images.flat())
})

const make = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  // A whole artifact does not change: what was read once is known.
  const known = yield* Ref.make<ReadonlyMap<string, ArtifactEntry>>(new Map())
  const folders = (directory: string) =>
    fs.readDirectory(directory).pipe(Effect.orElseSucceed((): Array<string> => []))

  const all = Effect.gen(function* () {
    const before = yield* Ref.get(known)
    const names = yield* Effect.forEach(yield* folders(workspace.artifacts), (stage) =>
      Effect.map(folders(path.join(workspace.artifacts, stage)), (keys) =>
        keys.map((key) => `${stage}/${key}`)
      )
    )
    const entries = yield* Effect.forEach(
      names.flat(),
      (name) => {
        const entry = before.get(name)
        return entry !== undefined
          ? Effect.succeed([[name, entry] as const])
          : Store.readManifest(path.join(workspace.artifacts, name)).pipe(
              Effect.map((manifest) => [[name, entryOf(manifest)] as const]),
              // Not whole, or being removed: it is no artifact.
              Effect.orElseSucceed(() => [])
            )
      },
      { concurrency: 8 }
    )
    const next = new Map(entries.flat())
    yield* Ref.set(known, next)
    return [...next.values()]
  })

  /** The folder of an artifact with its manifest. */
  const open = Effect.fnUntraced(function* (stage: string, cacheKey: string) {
    const absent = new NotThere({
      message: `There is no artifact ${stage}/${cacheKey} in ${workspace.root}.`
    })
    if (!/^[A-Za-z0-9-]+$/.test(stage) || !/^[0-9a-f]+$/.test(cacheKey)) return yield* absent
    const directory = path.join(workspace.artifacts, stage, cacheKey)
    const manifest = yield* Store.readManifest(directory).pipe(
      Effect.mapError((error) =>
        error.reason === "missing" ? absent : new NotThere({ message: error.message })
      )
    )
    return { directory, manifest }
  })

  return {
    all,
    /** Everything that the page shows of an artifact. */
    detail: Effect.fnUntraced(function* (stage: string, cacheKey: string) {
      const { directory, manifest } = yield* open(stage, cacheKey)
      const view = yield* Effect.match(shown(directory, manifest), {
        onFailure: ({ message }) => ({ facts: [], result: undefined, sections: [], problem: message }),
        onSuccess: (success) => ({ ...success, problem: null })
      })
      const detail: ArtifactDetail = {
        entry: entryOf(manifest),
        facts: view.facts,
        sections: view.sections,
        problem: view.problem,
        config: manifest.keyParts.config,
        files: manifest.files.map((file) => ({ path: file.path, bytes: file.bytes })),
        document: yield* documentOf(directory, manifest, view.result),
        images: yield* imagesOf(directory, manifest),
        lineage: lineageOf(cacheKey, yield* all)
      }
      return detail
    }),
    /** The folder of a published model. */
    model: Effect.fnUntraced(function* (stage: string, cacheKey: string) {
      const { directory, manifest } = yield* open(stage, cacheKey)
      return manifest.kind === Model.name
        ? directory
        : yield* new NotThere({
            message: `The artifact ${stage}/${cacheKey} is a ${manifest.kind}, not a model.`
          })
    }),
    /** The path of a file that an artifact's manifest lists. Refuses all others, and one that leads out of the artifact by a link. */
    file: Effect.fnUntraced(function* (stage: string, cacheKey: string, name: string) {
      const { directory, manifest } = yield* open(stage, cacheKey)
      const absent = new NotThere({ message: `The artifact ${stage}/${cacheKey} has no file ${name}.` })
      if (!manifest.files.some((file) => file.path === name)) return yield* absent
      const [real, root] = yield* Effect.all([
        fs.realPath(path.join(directory, name)),
        fs.realPath(directory)
      ]).pipe(Effect.mapError(() => absent))
      return real === path.join(root, name) ? real : yield* absent
    })
  }
})

export class Artifacts extends Context.Service<Artifacts, Effect.Success<typeof make>>()(
  "trainyard/ui/Artifacts"
) {
  static readonly layer = Layer.effect(Artifacts, make)
}
