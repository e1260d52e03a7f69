/** Names of the operations and primitives that the addon has kernels for (cpp/program.h). The others are expanded into primitives. */

const names = [
  "map",
  "reduce",
  "product",
  "gather",
  "scatterAdd",
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
  "adamW",
  "rmsNorm",
  "rmsNormBackward",
  "swiglu",
  "swigluBackward",
  "rope",
  "groupedAttention",
  "groupedAttentionBackward",
  "groupedAttentionCached"
]

export const kernels: ReadonlySet<string> = new Set(names)
