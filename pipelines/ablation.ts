/**
 * What each part of the recipe brings: a small model trained with `Recipe.smallCorpus` on the text of `c-code.ts`, the same with one part left
 * out, and what more computing brings, for each seed. The table at the end ranks them by the loss on the validation split.
 *
 *     npm run trainyard -- run pipelines/ablation.ts --param seeds=1,2,3
 */
import { Effect, Schema } from "effect"
import { buildDataset, Pipeline, Qwen, Recipe, tokenize, train } from "trainyard"
import { cSplit } from "./cSplit.ts"

/** What is in the place of a part. */
const without = {
  inductionHead: { initialization: "random" },
  muon: { optimizer: "adamw" },
  linearSchedule: { schedule: "cosine" },
  average: { averageLast: 0 },
  wholeDocuments: { windows: "stream" },
  documentMask: { documentMask: false },
  temperature: { calibrate: false }
} as const

const parameters = {
  seeds: Schema.NonEmptyArray(Schema.Int).pipe(
    Schema.annotate({ description: "Seeds of the trainings" }),
    Schema.withDecodingDefaultKey(Effect.succeed([1] as const))
  ),
  steps: Schema.Int.check(Schema.isGreaterThan(0)).pipe(
    Schema.annotate({ description: "Steps of each training, of 1,024 tokens" }),
    Schema.withDecodingDefaultKey(Effect.succeed(1_000))
  )
}

export default Pipeline.make("ablation", { parameters }, ({ seeds, steps }) => {
  const split = cSplit()
  const tokenizer = tokenize({ split, vocabularySize: 2_000 })
  const dataset = buildDataset({ split, tokenizer })
  const trained = (name: string, seed: number, settings: Partial<Parameters<typeof train>[0]> = {}) =>
    train({
      name: `${name}-${seed}`,
      dataset,
      model: Qwen.tiny,
      ...Recipe.smallCorpus,
      sequenceLength: 256,
      steps,
      batchSize: 4,
      evaluateEvery: steps,
      seed,
      ...settings
    })
  return seeds.flatMap((seed) => {
    const whole = trained("whole", seed)
    return [
      whole,
      ...Object.entries(without).map(([part, settings]) => trained(`without-${part}`, seed, settings)),
      // A second training costs about as much again: beside it stands one of twice the steps.
      trained("self-distilled", seed, { teacher: whole, seed: seed + 1_000 }),
      trained("twice-the-steps", seed, { steps: 2 * steps, evaluateEvery: 2 * steps })
    ]
  })
})
