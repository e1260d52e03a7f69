/** Names of the operations and primitives that the addon has kernels for (cpp/program.h). The others are expanded into primitives. */
import type { OperationName } from "../program/operations.ts"

const names: ReadonlyArray<OperationName> = [
  "embedding",
  "embeddingBackward",
  "layerNorm",
  "layerNormBackward",
  "linear",
  "linearBackwardInput",
  "linearBackwardWeight",
  "attention",
  "attentionBackward",
  "attentionCached",
  "gelu",
  "geluBackward",
  "add",
  "dropout",
  "projectionLoss",
  "projectionLossBackward",
  "gradientNorm",
  "adamW"
]

export const kernels: ReadonlySet<string> = new Set(names)
