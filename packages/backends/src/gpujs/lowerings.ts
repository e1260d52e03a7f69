/** How steps become gpu.js kernels: the primitives, and the operations that have kernels of their own instead of their expansion. */
import type { OperationName } from "../program/operations.ts"
import type { PrimitiveName } from "../program/primitives.ts"
import { attention, attentionBackward, attentionCached } from "./kernels/attention.ts"
import { add, dropout, gelu, geluBackward } from "./kernels/elementwise.ts"
import { embedding, embeddingBackward, gather, scatterAdd } from "./kernels/embedding.ts"
import { layerNorm, layerNormBackward } from "./kernels/layerNorm.ts"
import { map, product, reduce } from "./kernels/primitives.ts"
import { linear, linearBackwardInput, linearBackwardWeight } from "./kernels/product.ts"
import { projectionLoss, projectionLossBackward } from "./kernels/projectionLoss.ts"
import { adamW, gradientNorm } from "./kernels/update.ts"
import type { Lower } from "./Lowering.ts"

const primitives: Readonly<Record<PrimitiveName, Lower>> = { map, reduce, product, gather, scatterAdd }

const fused = {
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
} satisfies Partial<Record<OperationName, Lower>>

/** By the name of a step's operation; those that are absent are expanded. */
export const lowerings: Readonly<Record<string, Lower | undefined>> = { ...primitives, ...fused }
