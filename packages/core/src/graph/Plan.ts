/**
 * What a run would do: for each stage whether it runs, and why, in one line. Made from the graph, the config, the code and the store,
 * before anything runs.
 */
import { Effect, Schema } from "effect"
import type * as Adoption from "../cache/Adoption.ts"
import { buildOf, type Compute, ComputeIdentity, type KeyParts, keyParts, of } from "../cache/CacheKey.ts"
import * as Code from "../cache/Code.ts"
import type { Artifact } from "../store/Artifact.ts"
import type * as Store from "../store/Store.ts"
import { Workspace } from "../store/Workspace.ts"
import { adoptedFor, candidatesFor, find, newest, reasonToMake } from "./Existing.ts"
import type { Parameter } from "./Parameter.ts"
import { type Any, dependencies, downstream } from "./Pipeline.ts"
import { checkNames, resolve, type Settings } from "./Settings.ts"
import type { Node } from "./Stage.ts"

/** A stage was chosen alone and what it reads is not in the workspace. */
export class MissingInput extends Schema.TaggedError<MissingInput>()("MissingInput", {
  missing: Schema.Array(Schema.Struct({ stage: Schema.String, input: Schema.String, from: Schema.String })),
  message: Schema.String
}) {}

export { find } from "./Existing.ts"

/** How to run a pipeline. */
export interface Options {
  /** Run these stages alone; what they read must be there. */
  readonly only?: ReadonlyArray<string> | undefined
  /** Run these stages, and all that depend on them, again. */
  readonly from?: ReadonlyArray<string> | undefined
  /** Run every chosen stage again, or the named ones. */
  readonly force?: boolean | ReadonlyArray<string> | undefined
  /** Changes of config, each `stage.key=value`. */
  readonly set?: ReadonlyArray<string> | undefined
  /** Artifacts to use as these stages' results, from any origin. */
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
  /** The record of an adopted artifact, which other code or another build of the engine made. */
  readonly adopted?: Adoption.Adoption | undefined
  /** Of a stage that will run: artifacts that differ in code and engine build alone, and can be adopted; the newest first. */
  readonly candidates?: ReadonlyArray<Store.Manifest>
}

/** A pipeline's stages, each after those that it waits for. */
export interface Plan {
  readonly pipeline: string
  readonly parameters: ReadonlyArray<Parameter>
  readonly stages: ReadonlyArray<PlannedStage>
}

const selection = Effect.fnUntraced(function* (pipeline: Any, options: Options) {
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
const externalDigestOf = (node: Node, config: unknown) =>
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
  yield* Code.useFolders(codeMemory)
  const codes = yield* Effect.forEach(
    pipeline.nodes,
    (node) => Effect.map(codeOf(node, settings.get(node.name)!.config), (code) => [node.name, code] as const),
    { concurrency: 8 }
  )
  const compute = yield* computeOf(pipeline)
  yield* Code.remember(codeMemory)
  return { codes: new Map(codes), compute }
})

/** The inputs of chosen stages, by the name of the stage that makes them. */
const readersOf = (pipeline: Any, chosen: ReadonlySet<string>) => {
  const readers = new Map<string, Array<readonly [stage: string, input: string]>>()
  for (const node of pipeline.nodes) {
    if (!chosen.has(node.name)) continue
    for (const [input, source] of Object.entries(node.inputs)) {
      readers.set(source.name, [...(readers.get(source.name) ?? []), [node.name, input]])
    }
  }
  return readers
}

/** A stage before it is decided what happens to it. */
type Undecided = Pick<PlannedStage, "name" | "node" | "settings" | "keyParts" | "forced" | "damage">

/** A stage that was not chosen: its artifact is used where a chosen stage reads it. `missing` says why it cannot be. */
const planSkipped = Effect.fnUntraced(function* (
  pipeline: string,
  stage: Undecided,
  isRead: boolean,
  inputs: Options["inputs"]
) {
  const cacheKey = of(stage.keyParts)
  const skipped: PlannedStage = { ...stage, cacheKey, action: "skip", why: "not chosen", artifact: undefined }
  if (!isRead) return { skipped, missing: undefined }
  const found = yield* find(stage.node, cacheKey)
  if (found._tag === "Whole") return { skipped: { ...skipped, artifact: found.artifact }, missing: undefined }
  const why =
    found._tag === "Damaged" ? found.problem : yield* reasonToMake(pipeline, stage.node, stage.keyParts)
  const substitute = inputs === "latest" ? yield* newest(pipeline, stage.node) : undefined
  if (substitute === undefined) return { skipped, missing: why }
  return {
    skipped: {
      ...skipped,
      cacheKey: substitute.cacheKey,
      why: `not chosen; its latest artifact is used (${why})`,
      artifact: substitute
    },
    missing: undefined
  }
})

interface Missing {
  readonly stage: string
  readonly input: string
  readonly from: string
  readonly why: string
}

const missingInput = (missing: ReadonlyArray<Missing>): MissingInput => {
  const sentences = missing.map(
    ({ from, input, stage, why }) =>
      `${stage} reads "${input}", which ${from} makes, and the workspace does not hold it (${why}).`
  )
  const names = [...new Set(missing.map(({ from }) => from))].join(",")
  return new MissingInput({
    missing: missing.map(({ from, input, stage }) => ({ stage, input, from })),
    message: `${sentences.join(" ")} Run ${names} too, or run all stages.`
  })
}

/** A stage whose artifact is known before anything is looked for: one that was supplied, or adopted by the user. */
const planKnown = Effect.fnUntraced(function* (
  stage: Undecided,
  given: Artifact | undefined,
  isChosen: boolean,
  isForced: boolean
) {
  if (given !== undefined) {
    const supplied: PlannedStage = {
      ...stage,
      cacheKey: given.cacheKey,
      action: "skip",
      why: `given: ${given.directory}`,
      artifact: given
    }
    return supplied
  }
  const kept = isForced ? undefined : yield* adoptedFor(stage.node, of(stage.keyParts))
  if (kept === undefined) return undefined
  const { adopted, artifact } = kept
  const planned: PlannedStage = {
    ...stage,
    cacheKey: artifact.cacheKey,
    action: isChosen ? "reuse" : "skip",
    why: `adopted ${adopted.at.slice(0, 10)} although: ${adopted.why}`,
    artifact,
    adopted
  }
  return planned
})

/** Plans a run. Fails with `InvalidSettings` for wrong names and values, and `MissingInput` when a chosen stage has no input. */
export const make = Effect.fn("Plan.make")(function* (pipeline: Any, options: Options = {}) {
  const { chosen, reasonToForce } = yield* selection(pipeline, options)
  const settings = yield* resolve(pipeline, options.set)
  const supply = options.supply ?? {}
  const readers = readersOf(pipeline, chosen)
  const { codes, compute } = yield* codesOf(pipeline, settings)
  const planned = new Map<string, PlannedStage>()
  const missing: Array<Missing> = []
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
      externalDigest: yield* externalDigestOf(node, own.config),
      compute
    })
    const stage: Undecided = { name, node, settings: own, keyParts: now, forced: false, damage: undefined }
    // A stage may be called "constructor".
    const given = Object.hasOwn(supply, name) ? supply[name] : undefined
    const isForced = chosen.has(name) && reasonToForce(name) !== undefined
    const known = yield* planKnown(stage, given, chosen.has(name), isForced)
    if (known !== undefined) {
      planned.set(name, known)
    } else if (chosen.has(name)) {
      const candidates = isForced ? [] : yield* candidatesFor(node, now, planned)
      const cacheKey = of(now)
      planned.set(name, { ...stage, cacheKey, action: "run", why: "", artifact: undefined, candidates })
    } else {
      const inputs = readers.get(name) ?? []
      const { missing: why, skipped } = yield* planSkipped(
        pipeline.name,
        stage,
        inputs.length > 0,
        options.inputs
      )
      planned.set(name, skipped)
      if (why !== undefined) {
        for (const [reader, input] of inputs) missing.push({ stage: reader, input, from: name, why })
      }
    }
  }
  if (missing.length > 0) return yield* missingInput(missing)

  const stages = yield* Effect.forEach(
    [...planned.values()],
    (stage) => (stage.action === "run" ? decide(pipeline.name, stage, reasonToForce) : Effect.succeed(stage)),
    { concurrency: 4 }
  )
  const plan: Plan = { pipeline: pipeline.name, parameters: pipeline.parameters, stages }
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
    const { artifact, stored } = found
    const damage = stored?.damage
    const where = stored === undefined ? "" : `, in the store ${stored.address}`
    const why = `unchanged${where}${damage === undefined ? "" : ` (here ${damage})`}`
    const reuse: PlannedStage = { ...stage, action: "reuse", why, damage, artifact }
    return reuse
  }
  if (found._tag === "Damaged") return { ...stage, why: found.problem, damage: found.problem }
  return { ...stage, why: yield* reasonToMake(pipeline, stage.node, stage.keyParts) }
})

/** Nodes that must be done before a planned stage starts. */
export const waitsFor = (stage: PlannedStage): ReadonlyArray<string> =>
  dependencies(stage.node).map((node) => node.name)
