/** Floating-point operations of a program's matrix products, which are all that counts in a transformer. */
import { expandFor } from "../program/expand.ts"
import { type Program, type Step, sizeOf } from "../program/Program.ts"
import { productAttributes } from "../program/primitives.ts"

const countStep = (program: Program, step: Step): number => {
  const shape = (name: string | undefined) => program.tensors[name ?? ""]?.shape ?? [0]
  const [first, second, third] = step.inputs.map(shape)
  switch (step.operation) {
    case "linear":
    case "linearBackwardInput":
      return 2 * sizeOf(first!) * (step.operation === "linear" ? second![0]! : second![1]!)
    case "linearBackwardWeight":
      return 2 * sizeOf(first!) * second!.at(-1)!
    case "projectionLoss":
      return 2 * sizeOf(first!) * second![0]!
    case "projectionLossBackward":
      // The gradients of x and of the table; an engine that computes the logits again does so on its own account.
      return 4 * sizeOf(second!) * third![0]!
    case "attention":
      return attentionProducts(first!, 2)
    case "attentionBackward":
      return attentionProducts(second!, 5)
    case "attentionCached":
      return 4 * first![0]! * first![1]! * second![1]! * (first![2]! / 3)
    case "product":
      return 2 * sizeOf(productAttributes(step).shape)
    default:
      return 0
  }
}

/** Operations that are counted as they are, the last without products; others by the products that they expand into. */
const counted: ReadonlySet<string> = new Set([
  "linear",
  "linearBackwardInput",
  "linearBackwardWeight",
  "projectionLoss",
  "projectionLossBackward",
  "attention",
  "attentionBackward",
  "attentionCached",
  ...["embedding", "embeddingBackward", "layerNorm", "layerNormBackward", "gelu", "geluBackward"],
  ...["add", "dropout", "gradientNorm", "adamW"]
])

/** `products` matrix products over the lower triangle of T × T, for all heads together. qkv is [B, T, 3C]. */
const attentionProducts = (qkv: ReadonlyArray<number>, products: number): number => {
  const [batch, time, threeWidths] = qkv as [number, number, number]
  return products * batch * time * (time + 1) * (threeWidths / 3)
}

export const operationCount = (program: Program): number =>
  expandFor(program, counted).steps.reduce((sum, step) => sum + countStep(program, step), 0)
