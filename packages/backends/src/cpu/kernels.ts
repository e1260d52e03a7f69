/**
 * The compiled kernels in the order of their numbers. build.mjs makes `assembly/generated.ts` from this list: kernel `pack` is the function
 * `packTask` of that folder.
 */
const names = [
  "pack",
  "product",
  "fewRows",
  "roundRow",
  "fewRowsInt8",
  "columnSums",
  "add",
  "gelu",
  "geluBackward",
  "dropout",
  "layerNorm",
  "layerNormBackward",
  "embedding",
  "embeddingTable",
  "embeddingPositions",
  "attention",
  "attentionBackward",
  "attentionCached",
  "count",
  "lossRows",
  "mean",
  "squares",
  "norm",
  "adamW",
  "map",
  "reduce",
  "reduceJoin",
  "gather",
  "scatterAdd",
  "groupedAttention",
  "groupedAttentionBackward",
  "groupedAttentionCached",
  "sumHeads",
  "rmsNorm",
  "rmsNormBackward",
  "swiglu",
  "swigluBackward",
  "rope"
] as const
export type KernelName = (typeof names)[number]

/** Number of a kernel, as the workers know it. */
export const kernelNumber = (kernel: KernelName): number => names.indexOf(kernel)
