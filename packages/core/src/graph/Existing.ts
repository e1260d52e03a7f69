/** Artifacts of the workspace and of the shared store that a plan may use in place of a run: whole ones, adopted ones, and those made before. */
import { Effect } from "effect"
import * as Adoption from "../cache/Adoption.ts"
import { difference, type KeyParts, of } from "../cache/CacheKey.ts"
import type { Artifact } from "../store/Artifact.ts"
import * as Latest from "../store/Latest.ts"
import * as Store from "../store/Store.ts"
import { described, SharedStore } from "../store/shared/SharedStore.ts"
import type { Node } from "./Stage.ts"

export type Found =
  | {
      readonly _tag: "Whole"
      readonly artifact: Artifact
      /** Where it is, when it is not in the workspace, or not whole there; then `artifact.directory` is where it will stand. */
      readonly stored?: { readonly address: string; readonly damage: string | undefined }
    }
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Damaged"; readonly problem: string }

/** Looks for an artifact in the workspace and checks it; and where there is none that is whole, for its manifest in the shared store. */
export const find = Effect.fnUntraced(function* (
  node: Node,
  cacheKey: string,
  files: "digests" | "sizes" = "digests"
) {
  const stage = node.stage.name
  const directory = yield* Store.directoryOf(stage, cacheKey)
  const here = yield* Store.openWith(node.kind, directory, { files }).pipe(
    Effect.map(({ artifact }): Found => ({ _tag: "Whole", artifact })),
    Effect.catch((error) =>
      Effect.succeed<Found>(
        error.reason === "missing" ? { _tag: "Absent" } : { _tag: "Damaged", problem: error.problem }
      )
    )
  )
  const shared = yield* SharedStore
  if (here._tag === "Whole" || shared === undefined) return here
  const artifact = yield* described(shared, node.kind, stage, cacheKey)
  if (artifact === undefined) return here
  const damage = here._tag === "Damaged" ? here.problem : undefined
  const stored: Found = { _tag: "Whole", artifact, stored: { address: shared.objects.address, damage } }
  return stored
})

/** The newest readable artifact of a node: the one it last used, else one that this node made, else any of its stage. */
const predecessor = Effect.fnUntraced(function* (pipeline: string, node: Node) {
  const manifests = yield* Store.history(node.stage.name)
  const latest = yield* Latest.read(pipeline, node.name)
  return (
    manifests.find((manifest) => manifest.cacheKey === latest?.cacheKey) ??
    manifests.find((manifest) => manifest.node === node.name && manifest.pipeline === pipeline) ??
    manifests[0]
  )
})

/** Why a stage whose artifact is not there has to run, in one line. */
export const reasonToMake = Effect.fnUntraced(function* (pipeline: string, node: Node, now: KeyParts) {
  const latest = yield* Latest.read(pipeline, node.name)
  if (latest?.cacheKey === of(now)) return "its artifact is gone"
  const before = yield* predecessor(pipeline, node)
  return (before === undefined ? undefined : difference(before.keyParts, now)) ?? "never made"
})

/** What a user has adopted for an artifact of this name, if no artifact has it and the adopted one is whole. */
export const adoptedFor = Effect.fnUntraced(function* (node: Node, cacheKey: string) {
  const adopted = yield* Adoption.read(node.stage.name, cacheKey)
  if (adopted === undefined || (yield* find(node, cacheKey))._tag === "Whole") return undefined
  const found = yield* find(node, adopted.artifact)
  return found._tag === "Whole" ? { adopted, artifact: found.artifact } : undefined
})

/** What can be adopted for a stage. */
export const candidatesFor = Effect.fnUntraced(function* (
  node: Node,
  now: KeyParts,
  planned: ReadonlyMap<string, { readonly candidates?: ReadonlyArray<Store.Manifest> }>
) {
  if (!node.stage.reusable) return []
  const manifests = yield* Store.history(node.stage.name)
  // What is there under its own name needs no adopting.
  if (manifests.some(({ cacheKey }) => cacheKey === of(now))) return []
  return Adoption.candidates(manifests, now, (input) =>
    (planned.get(node.inputs[input]?.name ?? "")?.candidates ?? []).map(({ cacheKey }) => cacheKey)
  )
})

/** The latest whole artifact of a node, from any inputs and config. */
export const newest = Effect.fnUntraced(function* (pipeline: string, node: Node) {
  const before = yield* predecessor(pipeline, node)
  const manifests = yield* Store.history(node.stage.name)
  for (const manifest of before === undefined ? manifests : [before, ...manifests]) {
    const found = yield* find(node, manifest.cacheKey)
    if (found._tag === "Whole") return found.artifact
  }
  return undefined
})
