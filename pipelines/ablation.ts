/**
 * What each part of the recipe brings: a small model trained with `Recipe.smallCorpus` on the text of `c-code.ts`, and the same with one part left
 * out, for each seed. The table at the end ranks them by the loss on the validation split.
 *
 *     npm run trainyard -- run pipelines/ablation.ts --param seeds=1,2,3
 */
import { Effect, Schema } from "effect"
import { buildDataset, Pipeline, Qwen, Recipe, tokenize, train } from "trainyard"
import { cSplit } from "./cSplit.ts"

/** What is in the place of a part. */
const without = {
  nothing: {},
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
  return Object.entries(without).flatMap(([part, settings]) =>
    seeds.map((seed) =>
      train({
        name: `without-${part}-${seed}`,
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
    )
  )
})
