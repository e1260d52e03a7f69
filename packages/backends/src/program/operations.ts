/** Every operation there is, by name, primitives first. An operation that expands into these needs nothing more than its file and its line here. */
import type { Operation } from "./Operation.ts"
import { adamW } from "./operations/adamW.ts"
import { add } from "./operations/add.ts"
import { attention, attentionBackward, attentionCached } from "./operations/attention.ts"
import { distillationLoss } from "./operations/distillationLoss.ts"
import { dropout } from "./operations/dropout.ts"
import { embedding, embeddingBackward } from "./operations/embedding.ts"
import { gather, scatterAdd } from "./operations/gather.ts"
import { gelu, geluBackward } from "./operations/gelu.ts"
import { gradientNorm } from "./operations/gradientNorm.ts"
import { groupedAttention, groupedAttentionBackward } from "./operations/groupedAttention.ts"
import { groupedAttentionCached } from "./operations/groupedAttentionCached.ts"
import { layerNorm, layerNormBackward } from "./operations/layerNorm.ts"
import { linear, linearBackwardInput, linearBackwardWeight } from "./operations/linear.ts"
import { map } from "./operations/map.ts"
import { product } from "./operations/product.ts"
import { projectionLoss, projectionLossBackward } from "./operations/projectionLoss.ts"
import { reduce } from "./operations/reduce.ts"
import { reluSquared } from "./operations/reluSquared.ts"
import { rmsNorm, rmsNormBackward } from "./operations/rmsNorm.ts"
import { rope } from "./operations/rope.ts"
import { softCap } from "./operations/softCap.ts"
import { swiglu, swigluBackward } from "./operations/swiglu.ts"
import { zLoss } from "./operations/zLoss.ts"

export const operations = {
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
  adamW,
  rmsNorm,
  rmsNormBackward,
  swiglu,
  swigluBackward,
  rope,
  groupedAttention,
  groupedAttentionBackward,
  groupedAttentionCached,
  reluSquared,
  softCap,
  zLoss,
  distillationLoss
} satisfies Record<string, Operation>

export type OperationName = keyof typeof operations

/** The operation of that name, if there is one. */
export const operationNamed = (name: string): Operation | undefined =>
  Object.hasOwn(operations, name) ? operations[name as OperationName] : undefined
