/** The lowering of operations to gpu.js kernels; the others are expanded into primitives. */
import type { OperationName } from "../program/operations.ts"
import { attention, attentionBackward, attentionCached } from "./kernels/attention.ts"
import { add, dropout, gelu, geluBackward } from "./kernels/elementwise.ts"
import { embedding, embeddingBackward } from "./kernels/embedding.ts"
import { layerNorm, layerNormBackward } from "./kernels/layerNorm.ts"
import { linear, linearBackwardInput, linearBackwardWeight } from "./kernels/product.ts"
import { projectionLoss, projectionLossBackward } from "./kernels/projectionLoss.ts"
import { adamW, gradientNorm } from "./kernels/update.ts"
import type { Lower } from "./Lowering.ts"

export const lowerings: Readonly<Partial<Record<OperationName, Lower>>> = {
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
