/** The dropout probabilities of a config of Qwen3's family, by place. */
import type { Dropout } from "../Family.ts"
import type { QwenConfig } from "../Qwen.ts"

export const dropoutsOf = ({ dropout }: QwenConfig): Dropout =>
  typeof dropout === "number" ? { embedding: dropout, attention: dropout, mlp: dropout } : dropout
