/**
 * Adoption keeps an artifact that is stale only because code or the engine's build changed, when its user knows that the result would be the
 * same. The artifact and its manifest are not changed; a record in the workspace's `adopted/` says which node uses it, since when, and what had
 * changed.
 */
import { Effect, FileSystem, Option, Path, Schema } from "effect"
import { canonical } from "../store/Digest.ts"
import * as Durable from "../store/Durable.ts"
import * as Folders from "../store/Folders.ts"
import type { Manifest } from "../store/Store.ts"
import { Workspace } from "../store/Workspace.ts"
import { KeyParts } from "./CacheKey.ts"

/** What `adopted/<stage>/<cache key>.json` holds. */
export const Adoption = Schema.Struct({
  format: Schema.Literal(1),
  stage: Schema.String,
  /** The cache key that an artifact made now would have, and its parts. */
  cacheKey: Schema.String,
  keyParts: KeyParts,
  /** Cache key of the artifact that is used instead. */
  artifact: Schema.String,
  /** Pipeline and node for which the user asked. */
  pipeline: Schema.String,
  node: Schema.String,
  /** ISO 8601, UTC. */
  at: Schema.String,
  /** What had changed, in one line. */
  why: Schema.String
})
export type Adoption = typeof Adoption.Type

const text = Schema.fromJsonString(Adoption)
const decode = Schema.decodeUnknownOption(text)
const encode = Schema.encodeEffect(text)

const fileOf = Effect.fnUntraced(function* (stage: string, cacheKey: string) {
  const path = yield* Path.Path
  const { adopted } = yield* Workspace
  return path.join(adopted, stage, `${cacheKey}.json`)
})

/** The record for a cache key. A record that cannot be read is ignored: the stage then runs. */
export const read = Effect.fnUntraced(function* (stage: string, cacheKey: string) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fileOf(stage, cacheKey)
  const found = decode(yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => "")))
  const adoption = Option.getOrUndefined(found)
  return adoption?.cacheKey === cacheKey && adoption.stage === stage ? adoption : undefined
})

/** Writes a record, in place of one that was there. */
export const write = Effect.fnUntraced(function* (adoption: Adoption) {
  const path = yield* Path.Path
  const file = yield* fileOf(adoption.stage, adoption.cacheKey)
  yield* Folders.make(path.dirname(file))
  yield* Durable.writeFile(file, yield* Effect.orDie(encode(adoption)))
})

/** The key parts without code and the engine's build. */
const besidesCode = ({ code: _, compute, inputs: __, ...rest }: KeyParts): string =>
  canonical({
    ...rest,
    compute: compute === null ? null : { engine: compute.engine, precision: compute.precision }
  })

/**
 * Those of a stage's manifests that differ from what would be made now in code and engine build alone. `kept` gives, for an input, the cache keys
 * of the artifacts that could be kept there.
 */
export const candidates = (
  manifests: ReadonlyArray<Manifest>,
  now: KeyParts,
  kept: (input: string) => ReadonlyArray<string>
): ReadonlyArray<Manifest> => {
  const wanted = besidesCode(now)
  const inputs = Object.keys(now.inputs).sort().join()
  return manifests.filter(
    ({ keyParts }) =>
      besidesCode(keyParts) === wanted &&
      Object.keys(keyParts.inputs).sort().join() === inputs &&
      Object.entries(keyParts.inputs).every(
        ([input, cacheKey]) => now.inputs[input] === cacheKey || kept(input).includes(cacheKey)
      )
  )
}
