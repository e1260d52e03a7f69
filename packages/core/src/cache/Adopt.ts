/** Adopts artifacts: see `Adoption`. A stage is adopted with the stages that its artifact was made from. */
import { DateTime, Effect, Schema } from "effect"
import type { Any } from "../graph/Pipeline.ts"
import * as Plan from "../graph/Plan.ts"
import { checkNames } from "../graph/Settings.ts"
import * as Latest from "../store/Latest.ts"
import type { Manifest } from "../store/Store.ts"
import { explain, Workspace } from "../store/Workspace.ts"
import * as Adoption from "./Adoption.ts"
import { difference, of } from "./CacheKey.ts"

/** A stage whose artifact cannot be kept. The message says what else changed, or that nothing has to be kept. */
export class NotAdoptable extends Schema.TaggedError<NotAdoptable>()("NotAdoptable", {
  stage: Schema.String,
  message: Schema.String
}) {}

const refusal = (stage: Plan.PlannedStage): NotAdoptable =>
  new NotAdoptable({
    stage: stage.name,
    message:
      stage.action === "reuse"
        ? `${stage.name} would not run (${stage.why}), so there is nothing to adopt.`
        : `The artifact of ${stage.name} cannot be adopted: ${stage.why}. Only what a change of code, or of the engine's build, made stale can be kept.`
  })

/** The artifact to keep for each stage: those that were asked for, and what they were made from. */
const choose = Effect.fnUntraced(function* (plan: Plan.Plan, names: ReadonlyArray<string>) {
  const stages = new Map(plan.stages.map((stage) => [stage.name, stage]))
  const chosen = new Map<string, Manifest>()
  const add = Effect.fnUntraced(function* (
    name: string,
    cacheKey: string | undefined
  ): Effect.fn.Return<void, NotAdoptable> {
    const stage = stages.get(name)!
    const before = chosen.get(name)
    if (before !== undefined) {
      if (cacheKey === undefined || before.cacheKey === cacheKey) return
      return yield* new NotAdoptable({
        stage: name,
        message: `Two of the artifacts to adopt were made from different artifacts of ${name}. Adopt one of them, and let the other run.`
      })
    }
    const manifest = (stage.candidates ?? []).find(
      (candidate) => cacheKey === undefined || candidate.cacheKey === cacheKey
    )
    if (manifest === undefined) return yield* refusal(stage)
    chosen.set(name, manifest)
    for (const [input, made] of Object.entries(manifest.keyParts.inputs)) {
      if (stage.keyParts.inputs[input] !== made) yield* add(stage.node.inputs[input]!.name, made)
    }
  })
  // From the end, so that what a later stage was made from decides.
  for (const { name } of plan.stages.toReversed()) if (names.includes(name)) yield* add(name, undefined)
  return chosen
})

/**
 * Records that the stages of these names, and what they were made from, keep the artifacts that they have. Gives the records. Fails with
 * `NotAdoptable` where more than code or the engine's build changed, and where an artifact is not whole; then nothing is recorded.
 */
export const adopt = Effect.fn("Adopt.adopt")(function* (
  pipeline: Any,
  options: Plan.Options,
  names: ReadonlyArray<string>
) {
  const workspace = yield* Workspace
  yield* checkNames(pipeline, "adopt", names)
  const plan = yield* Plan.make(pipeline, options)
  const chosen = yield* choose(plan, names)
  const cacheKeys = new Map(plan.stages.map((stage) => [stage.name, stage.cacheKey]))
  const records: Array<Adoption.Adoption> = []
  const at = DateTime.formatIso(yield* DateTime.now)
  for (const stage of plan.stages) {
    const inputs = Object.fromEntries(
      Object.entries(stage.node.inputs).map(([input, source]) => [input, cacheKeys.get(source.name)!])
    )
    const manifest = chosen.get(stage.name)
    if (manifest === undefined) continue
    const keyParts = { ...stage.keyParts, inputs }
    cacheKeys.set(stage.name, manifest.cacheKey)
    const found = yield* Plan.find(stage.node, manifest.cacheKey)
    if (found._tag !== "Whole") {
      return yield* new NotAdoptable({
        stage: stage.name,
        message: `The artifact of ${stage.name} cannot be adopted: ${found._tag === "Damaged" ? found.problem : "it is gone"}. Let the stage run.`
      })
    }
    const cacheKey = of(keyParts)
    // A stage of which nothing changed but its inputs is itself again once they are kept.
    if (cacheKey === manifest.cacheKey) continue
    records.push({
      format: 1,
      stage: stage.node.stage.name,
      cacheKey,
      keyParts,
      artifact: manifest.cacheKey,
      pipeline: plan.pipeline,
      node: stage.name,
      at,
      why: difference(manifest.keyParts, keyParts) ?? "its code changed"
    })
  }
  yield* Effect.forEach(records, (record) =>
    Adoption.write(record).pipe(
      // What is adopted is in use: gc leaves it.
      Effect.andThen(Latest.write({ ...record, cacheKey: record.artifact })),
      Effect.catchTag("PlatformError", (error) =>
        Effect.fail(explain(`Adopting the artifact of ${record.node}`, workspace.root)(error))
      )
    )
  )
  return records
})
