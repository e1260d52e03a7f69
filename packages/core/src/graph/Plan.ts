/**
 * What a run would do: for each stage whether it runs, and why, in one line. Made from the graph, the config, the code and the store,
 * before anything runs.
 */
import { Effect, Schema } from "effect"
import * as Adoption from "../cache/Adoption.ts"
import {
  buildOf,
  type Compute,
  ComputeIdentity,
  difference,
  type KeyParts,
  keyParts,
  of
} from "../cache/CacheKey.ts"
import * as Code from "../cache/Code.ts"
import type { Artifact } from "../store/Artifact.ts"
import * as Latest from "../store/Latest.ts"
import * as Store from "../store/Store.ts"
import { Workspace } from "../store/Workspace.ts"
import { type Any, dependencies, downstream } from "./Pipeline.ts"
import { checkNames, resolve, type Settings } from "./Settings.ts"
import type { Node } from "./Stage.ts"

/** A stage was chosen alone and what it reads is not in the workspace. */
export class MissingInput extends Schema.TaggedError<MissingInput>()("MissingInput", {
  missing: Schema.Array(Schema.Struct({ stage: Schema.String, input: Schema.String, from: Schema.String })),
  message: Schema.String
}) {}

/** How to run a pipeline. */
export interface Options {
  /** Run these stages alone; what they read must be there. */
  readonly only?: ReadonlyArray<string> | undefined
  /** Make these stages and all that follow from them anew. */
  readonly from?: ReadonlyArray<string> | undefined
  /** Make every chosen stage anew, or the named ones. */
  readonly force?: boolean | ReadonlyArray<string> | undefined
  /** Changes of config, each `stage.key=value`. */
  readonly set?: ReadonlyArray<string> | undefined
  /** Artifacts to take as these stages' results, whatever made them. */
  readonly supply?: Readonly<Record<string, Artifact>> | undefined
  /**
   * With `only`: whether what a chosen stage reads must have been made by exactly this pipeline ("exact"), or may be the latest that the
   * workspace holds of that stage, such as a model trained on another machine's engine ("latest").
   */
  readonly inputs?: "exact" | "latest" | undefined
}

/** One stage of a plan. */
export interface PlannedStage {
  readonly name: string
  readonly node: Node
  readonly settings: Settings
  readonly cacheKey: string
  readonly keyParts: KeyParts
  /** "run": will run. "reuse": its artifact is there. "skip": not chosen; its artifact is used if it is there. */
  readonly action: "run" | "reuse" | "skip"
  /** Why, in one line: `config.vocabularySize 5000 → 10000`. */
  readonly why: string
  /** Whether an artifact that is there is to be replaced. */
  readonly forced: boolean
  /** What is wrong with the artifact that stands in its place, if it is damaged. */
  readonly damage: string | undefined
  readonly artifact: Artifact | undefined
  /** The user's word that `artifact` is kept, though it was made by other code or another build of the engine. */
  readonly adopted?: Adoption.Adoption | undefined
  /** Of a stage that will run: artifacts that differ in code and engine build alone, and can be adopted; the newest first. */
  readonly candidates?: ReadonlyArray<Store.Manifest>
}

/** A pipeline's stages, each after those that it waits for. */
export interface Plan {
  readonly pipeline: string
  readonly stages: ReadonlyArray<PlannedStage>
}

type Found =
  | { readonly _tag: "Whole"; readonly artifact: Artifact }
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Damaged"; readonly problem: string }

/** Looks for an artifact and checks it. */
export const find = Effect.fnUntraced(function* (
  node: Node,
  cacheKey: string,
  files: "digests" | "sizes" = "digests"
) {
  const directory = yield* Store.directoryOf(node.stage.name, cacheKey)
  return yield* Store.openWith(node.kind, directory, { files }).pipe(
    Effect.map(({ artifact }): Found => ({ _tag: "Whole", artifact })),
    Effect.catch((error) =>
      Effect.succeed<Found>(
        error.reason === "missing" ? { _tag: "Absent" } : { _tag: "Damaged", problem: error.problem }
      )
    )
  )
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

const reasonToMake = Effect.fnUntraced(function* (pipeline: string, node: Node, now: KeyParts) {
  const latest = yield* Latest.read(pipeline, node.name)
  if (latest?.cacheKey === of(now)) return "its artifact is gone"
  const before = yield* predecessor(pipeline, node)
  return (before === undefined ? undefined : difference(before.keyParts, now)) ?? "never made"
})

const choices = Effect.fnUntraced(function* (pipeline: Any, options: Options) {
  const all = pipeline.nodes.map((node) => node.name)
  const forceNamed = Array.isArray(options.force) ? options.force : []
  yield* checkNames(pipeline, "only", options.only ?? [])
  yield* checkNames(pipeline, "from", options.from ?? [])
  yield* checkNames(pipeline, "force", forceNamed)
  const chosen = new Set(options.only !== undefined && options.only.length > 0 ? options.only : all)
  const from = downstream(pipeline, new Set(options.from ?? []))
  const reasonToForce = (name: string): string | undefined =>
    options.force === true || forceNamed.includes(name)
      ? "forced"
      : from.has(name)
        ? options.from?.includes(name)
          ? "asked to start from it"
          : `follows ${(options.from ?? []).join(", ")}`
        : undefined
  return { chosen, reasonToForce }
})

/** The external digest of a node. What cannot be read is a digest of its own: the stage then runs, and says why. */
const outsideOf = (node: Node, config: unknown) =>
  node.externalDigest === undefined
    ? Effect.succeed(null)
    : node
        .externalDigest(config)
        .pipe(
          Effect.catch((error) =>
            Effect.succeed(`unreadable: ${error instanceof Error ? error.message : error}`)
          )
        )

/** What computes, where a stage of the pipeline does. */
const computeOf = Effect.fnUntraced(function* (pipeline: Any) {
  const identity = yield* ComputeIdentity
  if (identity === undefined || !pipeline.nodes.some(({ stage }) => stage.usesBackend)) return null
  const { engine, kernels, precision, sources } = identity
  const codes = yield* Effect.forEach(sources, (source) => Code.read(source))
  const compute: Compute = { engine, precision, build: buildOf(codes, kernels) }
  return compute
})

/** The code of a node's stage, and of what its config names. */
const codeOf = Effect.fnUntraced(function* ({ modules, stage }: Node, config: unknown) {
  const own = yield* Code.read(stage.source, stage.name)
  if (modules === undefined) return own
  const others = yield* Effect.forEach(modules(config), ({ name, source }) => Code.read(source, name))
  return Code.merge(own, others)
})

/** The code behind each node, and what computes. Read concurrently: the bundler of what is not remembered uses several cores. */
const codesOf = Effect.fnUntraced(function* (pipeline: Any, settings: ReadonlyMap<string, Settings>) {
  const { codeMemory } = yield* Workspace
  yield* Code.recall(codeMemory)
  const codes = yield* Effect.forEach(
    pipeline.nodes,
    (node) => Effect.map(codeOf(node, settings.get(node.name)!.config), (code) => [node.name, code] as const),
    { concurrency: 8 }
  )
  const compute = yield* computeOf(pipeline)
  yield* Code.remember(codeMemory)
  return { codes: new Map(codes), compute }
})

/** What a user has adopted for an artifact of this name, if no artifact has it and the adopted one is whole. */
const adoptedFor = Effect.fnUntraced(function* (node: Node, cacheKey: string) {
  const adopted = yield* Adoption.read(node.stage.name, cacheKey)
  if (adopted === undefined || (yield* find(node, cacheKey))._tag === "Whole") return undefined
  const found = yield* find(node, adopted.artifact)
  return found._tag === "Whole" ? { adopted, artifact: found.artifact } : undefined
})

/** What can be adopted for a stage. */
const candidatesFor = Effect.fnUntraced(function* (
  node: Node,
  now: KeyParts,
  planned: ReadonlyMap<string, PlannedStage>
) {
  if (!node.stage.reusable) return []
  const manifests = yield* Store.history(node.stage.name)
  // What is there under its own name needs no adopting.
  if (manifests.some(({ cacheKey }) => cacheKey === of(now))) return []
  return Adoption.candidates(manifests, now, (input) =>
    (planned.get(node.inputs[input]?.name ?? "")?.candidates ?? []).map(({ cacheKey }) => cacheKey)
  )
})

/** Plans a run. Fails with `InvalidSettings` for wrong names and values, and `MissingInput` when a chosen stage cannot be fed. */
export const make = Effect.fn("Plan.make")(function* (pipeline: Any, options: Options = {}) {
  const { chosen, reasonToForce } = yield* choices(pipeline, options)
  const settings = yield* resolve(pipeline, options.set)
  const supply = options.supply ?? {}
  const feeds = new Map<string, Array<readonly [stage: string, input: string]>>()
  for (const node of pipeline.nodes) {
    if (!chosen.has(node.name)) continue
    for (const [input, source] of Object.entries(node.inputs)) {
      feeds.set(source.name, [...(feeds.get(source.name) ?? []), [node.name, input]])
    }
  }

  const { codes, compute } = yield* codesOf(pipeline, settings)
  const planned = new Map<string, PlannedStage>()
  const missing: Array<{ stage: string; input: string; from: string; why: string }> = []
  for (const node of pipeline.nodes) {
    const { name } = node
    const own = settings.get(name)!
    const now = keyParts({
      stage: node.stage,
      config: own.encoded,
      inputs: Object.fromEntries(
        Object.entries(node.inputs).map(([input, source]) => [input, planned.get(source.name)!.cacheKey])
      ),
      code: codes.get(name)!,
      externalDigest: yield* outsideOf(node, own.config),
      compute
    })
    const common = { name, node, settings: own, keyParts: now, forced: false, damage: undefined }
    // A stage may be called "constructor".
    const given = Object.hasOwn(supply, name) ? supply[name] : undefined
    if (given !== undefined) {
      planned.set(name, {
        ...common,
        cacheKey: given.cacheKey,
        action: "skip",
        why: `given: ${given.directory}`,
        artifact: given
      })
      continue
    }
    const cacheKey = of(now)
    const isForced = chosen.has(name) && reasonToForce(name) !== undefined
    const kept = isForced ? undefined : yield* adoptedFor(node, cacheKey)
    if (kept !== undefined) {
      const { adopted, artifact } = kept
      const why = `adopted ${adopted.at.slice(0, 10)} in spite of: ${adopted.why}`
      const action = chosen.has(name) ? "reuse" : "skip"
      planned.set(name, { ...common, cacheKey: artifact.cacheKey, action, why, artifact, adopted })
      continue
    }
    if (chosen.has(name)) {
      const candidates = isForced ? [] : yield* candidatesFor(node, now, planned)
      planned.set(name, { ...common, cacheKey, action: "run", why: "", artifact: undefined, candidates })
      continue
    }
    const skipped = { ...common, action: "skip" as const }
    const readers = feeds.get(name) ?? []
    if (readers.length === 0) {
      planned.set(name, { ...skipped, cacheKey, why: "not chosen", artifact: undefined })
      continue
    }
    const found = yield* find(node, cacheKey)
    if (found._tag === "Whole") {
      planned.set(name, { ...skipped, cacheKey, why: "not chosen", artifact: found.artifact })
      continue
    }
    const why = found._tag === "Damaged" ? found.problem : yield* reasonToMake(pipeline.name, node, now)
    const substitute = options.inputs === "latest" ? yield* newest(pipeline.name, node) : undefined
    if (substitute !== undefined) {
      planned.set(name, {
        ...skipped,
        cacheKey: substitute.cacheKey,
        why: `not chosen; its latest artifact is used (${why})`,
        artifact: substitute
      })
      continue
    }
    for (const [stage, input] of readers) missing.push({ stage, input, from: name, why })
    planned.set(name, { ...skipped, cacheKey, why: "not chosen", artifact: undefined })
  }
  if (missing.length > 0) {
    const sentences = missing.map(
      ({ from, input, stage, why }) =>
        `${stage} reads "${input}", which ${from} makes, and the workspace does not hold it (${why}).`
    )
    const names = [...new Set(missing.map(({ from }) => from))].join(",")
    return yield* new MissingInput({
      missing: missing.map(({ from, input, stage }) => ({ stage, input, from })),
      message: `${sentences.join(" ")} Run ${names} too, or run all stages.`
    })
  }

  const stages = yield* Effect.forEach(
    [...planned.values()],
    (stage) => (stage.action === "run" ? decide(pipeline.name, stage, reasonToForce) : Effect.succeed(stage)),
    { concurrency: 4 }
  )
  const plan: Plan = { pipeline: pipeline.name, stages }
  return plan
})

/** Whether a chosen stage has to run. */
const decide = Effect.fnUntraced(function* (
  pipeline: string,
  stage: PlannedStage,
  reasonToForce: (name: string) => string | undefined
) {
  const forced = reasonToForce(stage.name)
  if (forced !== undefined) return { ...stage, why: forced, forced: true }
  if (!stage.node.stage.reusable) return { ...stage, why: "runs every time", forced: true }
  const found = yield* find(stage.node, stage.cacheKey)
  if (found._tag === "Whole") {
    const reuse: PlannedStage = { ...stage, action: "reuse", why: "unchanged", artifact: found.artifact }
    return reuse
  }
  if (found._tag === "Damaged") return { ...stage, why: found.problem, damage: found.problem }
  return { ...stage, why: yield* reasonToMake(pipeline, stage.node, stage.keyParts) }
})

/** The latest whole artifact of a node, whatever it was made from. */
const newest = Effect.fnUntraced(function* (pipeline: string, node: Node) {
  const before = yield* predecessor(pipeline, node)
  const manifests = yield* Store.history(node.stage.name)
  for (const manifest of before === undefined ? manifests : [before, ...manifests]) {
    const found = yield* find(node, manifest.cacheKey)
    if (found._tag === "Whole") return found.artifact
  }
  return undefined
})

/** Nodes that must be done before a planned stage starts. */
export const waitsFor = (stage: PlannedStage): ReadonlyArray<string> =>
  dependencies(stage.node).map((node) => node.name)
