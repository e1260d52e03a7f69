/** Whether a model and a dataset speak of the same tokens. */
import { createHash } from "node:crypto"
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect, FileSystem, Schema } from "effect"
import type { Dataset } from "../dataset/Dataset.ts"
import type { Loaded } from "../generate/Model.ts"
import { ValidationImpossible } from "./ValidationError.ts"

/** What decides the ids: the model with its vocabulary and merges, and the added tokens. */
const Deciding = Schema.Struct({ model: Schema.Unknown, added_tokens: Schema.optionalKey(Schema.Unknown) })
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Deciding))

/** JSON with sorted keys, so that two writers' files of one tokenizer are the same. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner
  )

const digest = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const file = join(directory, "tokenizer.json")
  const damaged = () =>
    new ValidationImpossible({
      message: `${file} is missing or damaged. Take the tokenizer.json that was made with what lies beside it.`
    })
  const text = yield* fs.readFileString(file).pipe(Effect.mapError(damaged))
  const deciding = yield* decode(text).pipe(Effect.mapError(damaged))
  return createHash("sha256").update(canonical(deciding)).digest("hex")
})

/** Fails when the ids of one mean other tokens to the other. */
export const checkTokenizers = Effect.fn("validate.checkTokenizers")(function* (
  model: Loaded,
  dataset: Artifact<typeof Dataset>
) {
  const { vocabularySize } = model.spec
  if (vocabularySize !== dataset.value.vocabularySize) {
    return yield* new ValidationImpossible({
      message: `The model at ${model.directory} knows ${vocabularySize} tokens and the dataset at ${dataset.directory} was made with ${dataset.value.vocabularySize}. Validate a model against the dataset that was made with its tokenizer.`
    })
  }
  if ((yield* digest(model.directory)) !== (yield* digest(dataset.directory))) {
    return yield* new ValidationImpossible({
      message: `The model at ${model.directory} and the dataset at ${dataset.directory} were made with different tokenizers. Validate a model against the dataset that was made with its tokenizer.`
    })
  }
})
