/** How steps become dispatches: the primitives, and the operations that have kernels of their own instead of their expansion. */
import type { OperationName } from "../program/operations.ts"
import type { PrimitiveName } from "../program/primitives.ts"
import {
  attention,
  attentionBackward,
  attentionCached,
  groupedAttention,
  groupedAttentionBackward,
  groupedAttentionCached
} from "./kernels/attentions.ts"
import { dropout } from "./kernels/dropout.ts"
import { embedding, embeddingBackward, gather, scatterAdd } from "./kernels/gather.ts"
import { linear } from "./kernels/linear.ts"
import { map } from "./kernels/map.ts"
import { layerNorm, layerNormBackward, rmsNorm, rmsNormBackward } from "./kernels/norms.ts"
import { product } from "./kernels/product.ts"
import { projectionLoss, projectionLossBackward } from "./kernels/projectionLoss.ts"
import { reduce } from "./kernels/reduce.ts"
import { adamW, gradientNorm } from "./kernels/update.ts"
import type { Lower } from "./Lowering.ts"

const primitives: Readonly<Record<PrimitiveName, Lower>> = { map, reduce, product, gather, scatterAdd }

const fused = {
  embedding,
  embeddingBackward,
  layerNorm,
  layerNormBackward,
  rmsNorm,
  rmsNormBackward,
  linear,
  attention,
  attentionBackward,
  attentionCached,
  dropout,
  projectionLoss,
  projectionLossBackward,
  gradientNorm,
  adamW,
  groupedAttention,
  groupedAttentionBackward,
  groupedAttentionCached
} satisfies Partial<Record<OperationName, Lower>>

/** By the name of a step's operation; those that are absent are expanded. */
export const lowerings: Readonly<Record<string, Lower | undefined>> = { ...primitives, ...fused }
