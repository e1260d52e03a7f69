/** Qwen3's family: RMSNorm, rotary positions, QK-norm, SwiGLU, grouped-query attention, no biases. Llama's where QK-norm is off. */
import { count } from "../../figures.ts"
import type { Family } from "../Family.ts"
import type { QwenConfig } from "../Qwen.ts"
import { dropoutsOf } from "./dropouts.ts"
import { forward } from "./forward.ts"
import { induction, inductionFault } from "./induction.ts"
import { layout } from "./layout.ts"
import { names, parameters } from "./parameters.ts"
import { faultOf, widthsOf } from "./widths.ts"

const dropoutText = (config: QwenConfig): string => {
  const { attention, embedding, mlp } = dropoutsOf(config)
  return attention === embedding && mlp === embedding
    ? String(embedding)
    : `${embedding} after the embedding, ${attention} after attention, ${mlp} after the MLP`
}

export const qwen: Family<QwenConfig> = {
  name: "qwen",
  title: ({ qkNorm }) => (qkNorm ? "Qwen3" : "Llama"),
  faultOf,
  settings: ({ model: config, sequenceLength }) => {
    const { headWidth, hidden, keyValueHeads } = widthsOf(config)
    return [
      ["Embedding", count(config.embedding)],
      ["Layers", count(config.layers)],
      [
        "Heads",
        `${config.heads} of width ${headWidth}, ${keyValueHeads} for keys and values${config.qkNorm ? ", QK-norm" : ""}`
      ],
      ["Context", `${count(sequenceLength)} tokens`],
      ["MLP", `SwiGLU, ${count(hidden)} hidden`],
      ["Positions", `rotary, theta ${count(config.theta)}`],
      ["Output layer", config.tied ? "tied to the embedding" : "its own"],
      ["Dropout", dropoutText(config)]
    ]
  },
  sizes: (config) => {
    const { headWidth, hidden, keyValueHeads } = widthsOf(config)
    const { embedding, epsilon, heads, layers, qkNorm, theta, tied } = config
    return { embedding, layers, heads, keyValueHeads, headWidth, hidden, qkNorm, tied, theta, epsilon }
  },
  dropout: dropoutsOf,
  parameters,
  finalNorm: [names.finalNorm],
  positions: undefined,
  masksDocuments: true,
  induction: { faultOf: inductionFault, change: induction },
  forward,
  layout
}
