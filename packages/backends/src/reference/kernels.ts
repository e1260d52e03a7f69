/** The kernel of every operation. A missing one is a compile error. */
import type { OperationName } from "../program/operations.ts"
import type { Kernel } from "./Kernel.ts"
import { attention, attentionBackward, attentionCached } from "./kernels/attention.ts"
import { add, dropout, gelu, geluBackward } from "./kernels/elementwise.ts"
import { embedding, embeddingBackward } from "./kernels/embedding.ts"
import { layerNorm, layerNormBackward } from "./kernels/layerNorm.ts"
import { linear, linearBackwardInput, linearBackwardWeight } from "./kernels/linear.ts"
import { projectionLoss, projectionLossBackward } from "./kernels/projectionLoss.ts"
import { adamW, gradientNorm } from "./kernels/update.ts"

export const kernels: Readonly<Record<OperationName, Kernel>> = {
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
