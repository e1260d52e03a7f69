/** Every operation there is, by name. Adding one here, a file beside it and a kernel in `reference/` is adding it to Trainyard. */
import type { Operation } from "./Operation.ts"
import { adamW } from "./operations/adamW.ts"
import { add } from "./operations/add.ts"
import { attention, attentionBackward, attentionCached } from "./operations/attention.ts"
import { dropout } from "./operations/dropout.ts"
import { embedding, embeddingBackward } from "./operations/embedding.ts"
import { gelu, geluBackward } from "./operations/gelu.ts"
import { gradientNorm } from "./operations/gradientNorm.ts"
import { layerNorm, layerNormBackward } from "./operations/layerNorm.ts"
import { linear, linearBackwardInput, linearBackwardWeight } from "./operations/linear.ts"
import { projectionLoss, projectionLossBackward } from "./operations/projectionLoss.ts"

export const operations = {
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
} satisfies Record<string, Operation>

export type OperationName = keyof typeof operations
