/** The fitted weights of adaptive prediction, as validation leaves them in its report's folder for generation. */
import { join } from "node:path"
import { Effect, FileSystem, Schema } from "effect"
import { type AdaptiveModel, modelOf } from "./AdaptiveModel.ts"
import type { Training } from "./DocumentExperts.ts"

/** Name of the file in the report's folder. */
export const fileName = "adaptive.json"

export const FittedWeights = Schema.Struct({
  format: Schema.Literal(1),
  /** SHA-256 of the `model.safetensors` that the weights were fitted with. */
  model: Schema.String,
  /** Digest of the tokenizer. */
  tokenizer: Schema.String,
  /** The training text: SHA-256 of its token file; tokens that were counted at most, drawn by `seed`; order of the Kneser-Ney model. */
  training: Schema.Struct({
    digest: Schema.String,
    mostTokens: Schema.Int,
    seed: Schema.Int,
    order: Schema.Int
  }),
  /** Step by which the weights adapt to each token of a document. */
  rate: Schema.Finite,
  /** Parameters of the gate: see `Gate`. */
  parameters: Schema.Array(Schema.Finite)
})
export type FittedWeights = typeof FittedWeights.Type

const Text = Schema.fromJsonString(FittedWeights)

/** The folder has no weights that can be used. */
export class WeightsUnusable extends Schema.TaggedError<WeightsUnusable>()("WeightsUnusable", {
  directory: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `${this.directory} has no weights of adaptive prediction that can be used: ${this.why}. Validate the model with adaptive set to true, on a dataset with a test split.`
  }
}

/** Writes the weights into a report's folder. */
export const save = Effect.fn("FittedWeights.save")(function* (directory: string, weights: FittedWeights) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Schema.encodeEffect(Text)(weights)
  yield* fs.writeFileString(join(directory, fileName), `${text}\n`)
})

/** Reads the weights of a report's folder. Fails with `WeightsUnusable` where there are none, or they are damaged. */
export const load = Effect.fn("FittedWeights.load")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const unusable = (why: string) => Effect.fail(new WeightsUnusable({ directory, why }))
  return yield* fs.readFileString(join(directory, fileName)).pipe(
    Effect.flatMap(Schema.decodeEffect(Text)),
    Effect.catchTags({
      PlatformError: ({ reason }) =>
        unusable(
          reason._tag === "NotFound"
            ? `it has no ${fileName}, so its validation fitted none`
            : `${fileName} cannot be read (${reason._tag})`
        ),
      SchemaError: () => unusable(`${fileName} is damaged`)
    })
  )
})

/** The mixture of these weights over a training text. Fails with `WeightsUnusable` where they are of another mixture. */
export const mixtureOf = Effect.fnUntraced(function* (
  directory: string,
  training: Training,
  { parameters, rate }: FittedWeights
) {
  const model: AdaptiveModel | undefined = modelOf(training, Float64Array.from(parameters), rate)
  if (model === undefined)
    return yield* new WeightsUnusable({ directory, why: `${fileName} is of another version's mixture` })
  return model
})
