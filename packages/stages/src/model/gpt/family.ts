/** GPT-2's family: learned positions, layer norm, GELU, an output layer tied to the embedding. */
import { count } from "../../figures.ts"
import type { Family } from "../Family.ts"
import type { GptConfig } from "../Gpt.ts"
import { forward } from "./forward.ts"
import { layout } from "./layout.ts"
import { names, parameters } from "./parameters.ts"

export const gpt: Family<GptConfig> = {
  name: "gpt",
  title: () => "GPT-2",
  faultOf: ({ embedding, heads }) =>
    embedding % heads === 0
      ? undefined
      : `model.heads ${heads} does not divide model.embedding ${embedding}; use a number of heads that does`,
  settings: ({ model: { bias, dropout, embedding, heads, layers }, sequenceLength }) => [
    ["Embedding", count(embedding)],
    ["Layers", count(layers)],
    ["Heads", count(heads)],
    ["Context", `${count(sequenceLength)} tokens`],
    ["Biases", bias ? "yes" : "no (written as zeros)"],
    ["Dropout", String(dropout)]
  ],
  sizes: ({ bias, embedding, heads, layers }) => ({ embedding, layers, heads, bias }),
  dropout: ({ dropout }) => ({ embedding: dropout, attention: dropout, mlp: dropout }),
  parameters,
  finalNorm: [`${names.finalNorm}.weight`, `${names.finalNorm}.bias`],
  positions: names.positions,
  masksDocuments: false,
  forward,
  layout
}
