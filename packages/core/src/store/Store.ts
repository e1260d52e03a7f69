/**
 * The store of artifacts. An artifact is whole or absent: it is written beside its place, flushed, described by a manifest with the
 * size and digest of every file, and renamed. Opening one checks all of that.
 */
import { Effect, FileSystem, Path, PlatformError, Result, Schema } from "effect"
import { KeyParts } from "../cache/CacheKey.ts"
import type { Artifact, Kind, ValueOf } from "./Artifact.ts"
import { sha256 } from "./Digest.ts"
import * as Durable from "./Durable.ts"
import * as Processes from "./Processes.ts"
import { explain, Workspace, type WorkspaceError } from "./Workspace.ts"

/** An artifact that is not there, or not whole, or of another kind. */
export class ArtifactError extends Schema.TaggedError<ArtifactError>()("ArtifactError", {
  directory: Schema.String,
  /** "refused": what a stage made cannot be kept. */
  reason: Schema.Literals(["missing", "damaged", "other-kind", "refused"]),
  /** What is wrong with it in a few words, for a line that names it already. */
  problem: Schema.String,
  message: Schema.String
}) {}

const ManifestBody = Schema.Struct({
  format: Schema.Literal(1),
  kind: Schema.String,
  kindVersion: Schema.Int,
  cacheKey: Schema.String,
  pipeline: Schema.String,
  /** Name of the node in that pipeline. */
  node: Schema.String,
  run: Schema.String,
  /** ISO 8601, UTC. */
  at: Schema.String,
  seconds: Schema.Finite,
  keyParts: KeyParts,
  /** The artifact's value, encoded by its kind's Schema. */
  value: Schema.Unknown,
  files: Schema.Array(Durable.FileEntry)
})

/** What `manifest.json` holds: who made the artifact, from what, and what it consists of. */
export const Manifest = Schema.Struct({
  ...ManifestBody.fields,
  /** SHA-256 of the manifest without this line. */
  digest: Schema.String
})
export type Manifest = typeof Manifest.Type

/** The file that makes a folder an artifact. */
export const manifestName = "manifest.json"

const render = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`

const decodeManifest = Schema.decodeUnknownResult(Schema.fromJsonString(Manifest))

/** Reads and checks a manifest. A digest in the text itself, and the text's exact form, show a change of any byte. */
export const parseManifest = (text: string): Result.Result<Manifest, string> => {
  const decoded = decodeManifest(text)
  if (Result.isFailure(decoded)) return Result.fail("its manifest.json is damaged")
  const { digest, ...body } = decoded.success
  return sha256(render(body)) === digest && render({ ...body, digest }) === text
    ? Result.succeed(decoded.success)
    : Result.fail("its manifest.json is damaged: it does not match its own digest")
}

/** Where an artifact stands in the workspace, there or not. */
export const directoryOf = Effect.fnUntraced(function* (stage: string, cacheKey: string) {
  const path = yield* Path.Path
  const workspace = yield* Workspace
  return path.join(workspace.artifacts, stage, cacheKey)
})

/** Whether a folder, wherever it lies, has an artifact's manifest, damaged or not. */
export const isArtifact = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return yield* fs.exists(path.join(directory, manifestName)).pipe(Effect.orElseSucceed(() => false))
})

/** Reads the manifest of an artifact folder without checking its files. */
export const readManifest = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* fs.readFileString(path.join(directory, manifestName)).pipe(
    Effect.catch(
      Effect.fnUntraced(function* (error) {
        if (error.reason._tag !== "NotFound") {
          return yield* new ArtifactError({
            directory,
            reason: "damaged",
            problem: `it cannot be read (${error.message})`,
            message: `The artifact at ${directory} cannot be read: ${error.message}`
          })
        }
        const exists = yield* fs.exists(directory).pipe(Effect.orElseSucceed(() => false))
        return yield* exists
          ? new ArtifactError({
              directory,
              reason: "damaged",
              problem: `it has no ${manifestName}`,
              message: `${directory} is no artifact: it has no ${manifestName}.`
            })
          : new ArtifactError({
              directory,
              reason: "missing",
              problem: "it is not there",
              message: `There is no artifact at ${directory}.`
            })
      })
    )
  )
  const manifest = parseManifest(text)
  if (Result.isFailure(manifest)) {
    return yield* new ArtifactError({
      directory,
      reason: "damaged",
      problem: manifest.failure,
      message: `The artifact at ${directory} is not whole: ${manifest.failure}. Run its stage again, or copy it again.`
    })
  }
  return manifest.success
})

/** An artifact with the manifest that describes it. */
export interface Opened<K extends Kind> {
  readonly artifact: Artifact<K>
  readonly manifest: Manifest
}

/** The artifact that a manifest describes, its value decoded by the kind's Schema. Its files are not looked at. */
export const describedBy = Effect.fnUntraced(function* <K extends Kind>(
  kind: K,
  manifest: Manifest,
  directory: string
): Effect.fn.Return<Artifact<K>, ArtifactError> {
  if (manifest.kind !== kind.name || manifest.kindVersion !== kind.version) {
    return yield* new ArtifactError({
      directory,
      reason: "other-kind",
      problem: `it is a ${manifest.kind} (version ${manifest.kindVersion})`,
      message: `${directory} holds a ${manifest.kind} (version ${manifest.kindVersion}); a ${kind.name} (version ${kind.version}) is needed.`
    })
  }
  const value = yield* Schema.decodeUnknownEffect(kind.value)(manifest.value).pipe(
    Effect.mapError(
      (error) =>
        new ArtifactError({
          directory,
          reason: "damaged",
          problem: `its value is not what version ${kind.version} of a ${kind.name} says`,
          message: `The value of the ${kind.name} at ${directory} is not what version ${kind.version} says: ${error.message.split("\n").join(", ")}.`
        })
    )
  )
  // The kind's own Schema decoded it.
  return { kind: kind.name, value: value as ValueOf<K>, directory, cacheKey: manifest.cacheKey }
})

/** Opens an artifact and checks every file's size and digest. `files: "sizes"` leaves the digests out, for a second look. */
export const openWith = Effect.fnUntraced(function* <K extends Kind>(
  kind: K,
  directory: string,
  options: { readonly files: "digests" | "sizes" }
): Effect.fn.Return<Opened<K>, ArtifactError, FileSystem.FileSystem | Path.Path> {
  const path = yield* Path.Path
  const absolute = path.resolve(directory)
  const manifest = yield* readManifest(absolute)
  const artifact = yield* describedBy(kind, manifest, absolute)
  const problem = yield* options.files === "digests"
    ? Durable.compare(absolute, manifest.files)
    : Durable.compareSizes(absolute, manifest.files)
  if (problem !== undefined) {
    return yield* new ArtifactError({
      directory: absolute,
      reason: "damaged",
      problem,
      message: `The ${kind.name} at ${absolute} is not whole: ${problem}. Run its stage again, or copy it again.`
    })
  }
  return { artifact, manifest }
})

/** Opens the artifact in a folder, wherever the folder lies, and checks that it is whole and of this kind. */
export const open = <K extends Kind>(
  kind: K,
  directory: string
): Effect.Effect<Artifact<K>, ArtifactError, FileSystem.FileSystem | Path.Path> =>
  Effect.map(openWith(kind, directory, { files: "digests" }), (opened) => opened.artifact)

/** Everything a new artifact's manifest says besides its files. */
export interface Writing<K extends Kind> {
  readonly kind: K
  readonly value: ValueOf<K>
  readonly cacheKey: string
  readonly keyParts: KeyParts
  readonly pipeline: string
  readonly node: string
  readonly run: string
  readonly seconds: number
}

/**
 * Makes the folder `output` (in the workspace's `tmp`) the artifact: lists and flushes its files, writes the manifest, and moves it to
 * its place. An artifact that stood there gives way at that moment.
 */
export const write = Effect.fn("Store.write")(function* <K extends Kind>(
  output: string,
  writing: Writing<K>
): Effect.fn.Return<
  Artifact<K>,
  WorkspaceError | ArtifactError,
  FileSystem.FileSystem | Path.Path | Workspace
> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const directory = yield* directoryOf(writing.keyParts.stage, writing.cacheKey)
  const value = yield* Schema.encodeUnknownEffect(writing.kind.value)(writing.value).pipe(
    Effect.mapError(
      (error) =>
        new ArtifactError({
          directory,
          reason: "refused",
          problem: `it is no ${writing.kind.name}`,
          message: `${writing.node} did not make a ${writing.kind.name}: ${error.message.split("\n").join(", ")}.`
        })
    )
  )
  const trash = path.join(workspace.tmp, `${Processes.toText(yield* Processes.self)}.${Processes.unique()}`)
  return yield* Effect.gen(function* () {
    const at = new Date().toISOString()
    const files = yield* Durable.digestDirectory(output)
    if (files.some((file) => file.path === manifestName)) {
      return yield* new ArtifactError({
        directory,
        reason: "refused",
        problem: `it has a ${manifestName} of its own`,
        message: `${writing.node} wrote a file named ${manifestName}, a name that the store keeps for itself. Give the file another name.`
      })
    }
    // In the order of `ManifestBody`: the digest is of this very text, which a reader puts together again from the parts.
    const body: typeof ManifestBody.Type = {
      format: 1,
      kind: writing.kind.name,
      kindVersion: writing.kind.version,
      cacheKey: writing.cacheKey,
      pipeline: writing.pipeline,
      node: writing.node,
      run: writing.run,
      at,
      seconds: writing.seconds,
      keyParts: writing.keyParts,
      value,
      files
    }
    yield* fs.writeFileString(
      path.join(output, manifestName),
      render({ ...body, digest: sha256(render(body)) })
    )
    yield* Durable.publishDirectory(output, directory, trash)
    return { kind: writing.kind.name, value: writing.value, directory, cacheKey: writing.cacheKey }
  }).pipe(
    Effect.catchIf(PlatformError.isPlatformError, (error) =>
      Effect.fail(explain(`Saving the ${writing.kind.name} of ${writing.node}`, workspace.root)(error))
    ),
    Effect.ensuring(fs.remove(trash, { recursive: true, force: true }).pipe(Effect.ignore)),
    Effect.uninterruptible
  )
})

/** Manifests of a stage's artifacts that can be read, newest first. */
export const history = Effect.fnUntraced(function* (stage: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const workspace = yield* Workspace
  const parent = path.join(workspace.artifacts, stage)
  const names = yield* fs.readDirectory(parent).pipe(Effect.orElseSucceed((): Array<string> => []))
  const manifests = yield* Effect.forEach(names, (name) =>
    Effect.option(readManifest(path.join(parent, name)))
  )
  return manifests
    .flatMap((manifest) => (manifest._tag === "Some" ? [manifest.value] : []))
    .sort((a, b) => (a.at < b.at ? 1 : -1))
})

/** The workspace's artifacts of a kind, of all stages, newest first. Those that are not whole, or of another version, are passed over. */
export const ofKind = Effect.fnUntraced(function* <K extends Kind>(
  kind: K
): Effect.fn.Return<ReadonlyArray<Artifact<K>>, never, FileSystem.FileSystem | Path.Path | Workspace> {
  const fs = yield* FileSystem.FileSystem
  const { artifacts } = yield* Workspace
  const stages = yield* fs.readDirectory(artifacts).pipe(Effect.orElseSucceed((): Array<string> => []))
  const manifests = (yield* Effect.forEach(stages, (stage) => history(stage)))
    .flat()
    .filter((manifest) => manifest.kind === kind.name)
    .sort((a, b) => (a.at < b.at ? 1 : -1))
  const opened = yield* Effect.forEach(manifests, ({ cacheKey, keyParts }) =>
    Effect.flatMap(directoryOf(keyParts.stage, cacheKey), (directory) =>
      Effect.option(openWith(kind, directory, { files: "sizes" }))
    )
  )
  return opened.flatMap((each) => (each._tag === "Some" ? [each.value.artifact] : []))
})
