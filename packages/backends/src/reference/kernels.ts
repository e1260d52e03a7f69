/** The kernels of the primitives, and of operations whose formula is better read here than as an expansion. The others are expanded. */
import type { OperationName } from "../program/operations.ts"
import type { Kernel } from "./Kernel.ts"
import { attention, attentionBackward, attentionCached } from "./kernels/attention.ts"
import { add, dropout, gelu, geluBackward } from "./kernels/elementwise.ts"
import { embedding, embeddingBackward } from "./kernels/embedding.ts"
import { layerNorm, layerNormBackward } from "./kernels/layerNorm.ts"
import { linear, linearBackwardInput, linearBackwardWeight } from "./kernels/linear.ts"
import { gather, map, product, reduce, scatterAdd } from "./kernels/primitives.ts"
import { projectionLoss, projectionLossBackward } from "./kernels/projectionLoss.ts"
import { adamW, gradientNorm } from "./kernels/update.ts"

/** Kernels by operation. */
export type Kernels = Readonly<Partial<Record<OperationName, Kernel>>>

export const kernels: Kernels = {
  map,
  reduce,
  product,
  gather,
  scatterAdd,
  embedding,
  embeddingBackward,
  layerNorm,
  layerNormBackward,
  linear,
  linearBackwardInput,
  linearBackwardWeight,
  attention,
  attentionBackward,
  attentionCached,
  gelu,
  geluBackward,
  add,
  dropout,
  projectionLoss,
  projectionLossBackward,
  gradientNorm,
  adamW
}
