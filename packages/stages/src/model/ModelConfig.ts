/** The config of a model of any family, told apart by `family`. */
import { GptConfig } from "./Gpt.ts"

/** Decodes the config of a model of any family. Without `family` it is GPT-2's. */
export const ModelConfig = GptConfig
export type ModelConfig = typeof ModelConfig.Type
/** A model as a pipeline file gives it. */
export type ModelShape = typeof ModelConfig.Encoded
