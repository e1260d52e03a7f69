/**
 * A small transformer of the operations that most engines expand: RMS norm, rotary positions, QK-norm, grouped queries within documents,
 * SwiGLU, capped logits and a z-loss, trained by Muon and AdamW. Its gradients are given, derived and accumulated.
 */
import type { Inputs } from "../Backend.ts"
import { type Builder, make } from "../program/Builder.ts"
import { differentiate } from "../program/differentiate.ts"
import { optimize } from "../program/optimize.ts"
import { adamW } from "../program/optimizers/adamW.ts"
import { muon } from "../program/optimizers/muon.ts"
import type { Program, Tensor } from "../program/Program.ts"
import { batch, type Shape } from "./tinyGpt.ts"

export const modern: Shape = {
  batch: 2,
  time: 11,
  vocabulary: 29,
  width: 24,
  heads: 4,
  layers: 2,
  dropout: 0
}

export const modernLoss = "total.y"

const block = (b: Builder, shape: Shape, x: Tensor): Tensor => {
  const { heads, width } = shape
  const [groups, size] = [heads / 2, width / heads]
  const [offset, starts] = [b.tensor("offset"), b.tensor("starts")]
  const norm = (y: Tensor, name: string, over: number) =>
    b.apply("rmsNorm", { x: y, gain: b.parameter(`${name}.weight`, [over]) }, { epsilon: 1e-5 }, name)
  const linear = (y: Tensor, outs: number, name: string) =>
    b.linear(y, { weight: b.parameter(`${name}.weight`, [outs, y.shape.at(-1)!]) }, name)
  const turned = (y: Tensor, count: number, name: string) =>
    b.apply("rope", { x: norm(y, `ln_${name}`, size), offset }, { heads: count, theta: 100 }, `${name}.rope`)
  const normed = norm(x, "ln_1", width)
  const attended = b.apply(
    "groupedAttention",
    {
      query: turned(linear(normed, width, "q"), heads, "q"),
      key: turned(linear(normed, groups * size, "k"), groups, "k"),
      value: linear(normed, groups * size, "v"),
      starts
    },
    { heads, groups },
    "attention"
  )
  const middle = b.add(x, linear(attended, width, "o"), "attention.sum")
  const inner = norm(middle, "ln_2", width)
  const hidden = b.apply(
    "swiglu",
    { gate: linear(inner, 40, "gate"), up: linear(inner, 40, "up") },
    {},
    "mlp"
  )
  return b.add(middle, linear(hidden, width, "down"), "mlp.sum")
}

/** Forward, backward and update. Outputs: the loss, and the gradient norm. */
export const modernProgram = (shape: Shape): Program => {
  const b = make("modern")
  const index = b.input("tokens", [shape.batch, shape.time], "i32")
  b.input("offset", [1], "i32")
  b.input("starts", [shape.batch, shape.time], "i32")
  const table = b.parameter("table", [shape.vocabulary, shape.width])
  let x = b.apply("gather", { table, index }, {}, "embedding")
  for (let layer = 0; layer < shape.layers; layer++) x = block(b.within(`h.${layer}`), shape, x)
  const last = b.apply("softCap", { x }, { limit: 5 }, "cap")
  const { loss } = b.projectionLoss(last, {
    table,
    targets: b.input("targets", [shape.batch, shape.time], "i32")
  })
  const penalty = b.apply("zLoss", { x: last, table }, { weight: 1e-3 }, "penalty")
  const total = b.add(loss, penalty, "total")
  return optimize(differentiate(b.build([total]), total.name), {
    optimizer: ({ name, shape }) =>
      name !== "table" && shape.length === 2 ? muon({ learningRate: "muonLearningRate" }) : adamW()
  })
}

/** Inputs of training step `step`, counted from 1. A document begins at every fifth position. */
export const modernInputs = (shape: Shape, step: number): Inputs => ({
  ...batch(shape, step),
  offset: Int32Array.of(0),
  starts: Int32Array.from(
    { length: shape.batch * shape.time },
    (_, i) => (i % shape.time) - ((i % shape.time) % 5)
  ),
  lossGradient: Float32Array.of(1),
  learningRate: Float32Array.of(0.01),
  muonLearningRate: Float32Array.of(0.02),
  step: Int32Array.of(step)
})
