/** A GPT small enough for tests, its first values, and batches to train it on. */
import type { Inputs } from "../Backend.ts"
import type { GptShape } from "../bench/gpt.ts"
import { type Program, sessionTensors, sizeOf, type Tensor } from "../program/Program.ts"
import { floats, integers, uniform } from "./random.ts"

export * from "../bench/gpt.ts"

export type Shape = GptShape

export const tiny: Shape = {
  batch: 3,
  time: 9,
  vocabulary: 29,
  width: 24,
  heads: 3,
  layers: 2,
  dropout: 0
}

/** Every tensor that any of these programs wants a session to hold. */
export const heldBy = (programs: ReadonlyArray<Program>): ReadonlyArray<Tensor> => [
  ...new Map(programs.flatMap(sessionTensors).map((tensor) => [tensor.name, tensor])).values()
]

/** First values of the parameters: gains near 1, the others small. */
export const initial = (tensors: ReadonlyArray<Tensor>, seed = 1): Readonly<Record<string, Float32Array>> => {
  const next = uniform(seed)
  return Object.fromEntries(
    tensors
      .filter((tensor) => tensor.role === "parameter")
      .map((tensor) => {
        const values = floats(next, sizeOf(tensor.shape), 0.2)
        return [tensor.name, /ln_.*weight$/.test(tensor.name) ? values.map((value) => value + 1) : values]
      })
  )
}

/** Batch `step` of an endless corpus in which each token says much about the next. */
export const batch = (shape: Shape, step: number): { tokens: Int32Array; targets: Int32Array } => {
  const next = uniform(1000 + step)
  const tokens = new Int32Array(shape.batch * shape.time)
  const targets = new Int32Array(tokens.length)
  for (let b = 0; b < shape.batch; b++) {
    let token = integers(next, 1, shape.vocabulary)[0]!
    for (let t = 0; t < shape.time; t++) {
      tokens[b * shape.time + t] = token
      token = (token * 3 + Math.floor(next() * 2)) % shape.vocabulary
      targets[b * shape.time + t] = token
    }
  }
  return { tokens, targets }
}

/** Inputs of training step `step`, counted from 1. */
export const trainInputs = (shape: Shape, step: number): Inputs => ({
  ...batch(shape, step),
  ...(shape.dropout > 0 ? { seed: Int32Array.of(step) } : {}),
  offset: Int32Array.of(0),
  lossGradient: Float32Array.of(1),
  learningRate: Float32Array.of(0.01),
  step: Int32Array.of(step)
})
