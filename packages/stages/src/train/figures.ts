/** Figures of training as people read them: in events, on the model card, in the report. */
import { summaryOf } from "../model/families.ts"
import type { ModelConfig } from "../model/ModelConfig.ts"

/** A whole number with its thousands parted: `288,100`. */
export const count = (value: number): string => value.toLocaleString("en-US")

/** Three digits, without the tail that a product such as 0.003 times 0.1 has in binary. */
export const rate = (value: number): string => String(Number(value.toPrecision(3)))

/** `GPT-2, 4 layers of width 64, 288,100 parameters`. */
export const modelText = (model: ModelConfig, parameters: number): string =>
  `${summaryOf(model)}, ${count(parameters)} parameters`
