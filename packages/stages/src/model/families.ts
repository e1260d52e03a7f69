/** The list of model families, and what they say of a model by its config. */
import type { Effect, Schema } from "effect"
import type { Dropout, Family, ReadConfig, Sized } from "./Family.ts"
import { gpt } from "./gpt/family.ts"
import type { ModelConfig } from "./ModelConfig.ts"
import { qwen } from "./qwen/family.ts"

/** A model of any family with all its sizes. */
export type Spec = Sized<ModelConfig>

/** Does something with the family of a model's config. */
export const using = <A>(
  model: ModelConfig,
  use: <Config extends ModelConfig>(family: Family<Config>, model: Config) => A
): A => (model.family === "qwen" ? use(qwen, model) : use(gpt, model))

/** Why these sizes are invalid, in a clause; undefined when they are valid. */
export const faultOf = (model: ModelConfig): string | undefined =>
  using(model, (family, own) => family.faultOf(own))

/** Name of the model's family for people, such as `GPT-2`. */
export const titleOf = (model: ModelConfig): string => using(model, (family, own) => family.title(own))

/** A model in one line, as summaries show it: `GPT-2, 256 embedding, 4 layers, 8 heads`. */
export const summaryOf = (model: ModelConfig): string =>
  `${titleOf(model)}, ${model.embedding} embedding, ${model.layers} layers, ${model.heads} heads`

/** The sizes and settings in a model card and in `inspect`: label and value. */
export const settingsOf = (spec: Spec): ReadonlyArray<readonly [label: string, value: string]> =>
  using(spec.model, (family, model) => family.settings({ ...spec, model }))

/** The family and the sizes that weights depend on, in one line: the same for two configs whose weights fit each other. */
export const sizesOf = (model: ModelConfig): string =>
  using(model, (family, own) =>
    Object.entries({ ...family.sizes(own), family: family.name })
      .map(([name, size]) => `${name} ${size}`)
      .join(", ")
  )

/** Whether the model has dropout anywhere, so that its training programs read a seed. */
export const hasDropout = (model: ModelConfig): boolean => {
  const { attention, embedding, mlp }: Dropout = using(model, (family, own) => family.dropout(own))
  return attention > 0 || embedding > 0 || mlp > 0
}

/** Name of the parameter with a row for each position; undefined where positions need none. */
export const positionsOf = (model: ModelConfig): string | undefined =>
  using(model, ({ positions }) => positions)

/** Whether the programs of a model can keep attention within documents (`Ports.starts`). */
export const masksDocuments = (model: ModelConfig): boolean => using(model, (family) => family.masksDocuments)

/** The values of `model_type` in config.json that are read. */
export const modelTypes = ["gpt2", "qwen3", "llama"] as const

type Reader = (json: unknown) => Effect.Effect<ReadConfig<ModelConfig>, Schema.SchemaError>

/** Reads the rest of config.json, by its `model_type`. */
export const readers: Readonly<Record<(typeof modelTypes)[number], Reader>> = {
  gpt2: gpt.layout.readConfig,
  qwen3: qwen.layout.readConfig,
  llama: qwen.layout.readConfig
}
