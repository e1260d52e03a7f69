/** A small GPT, so that the contract suite has whole programs to run: two blocks, tied output, everything that stages use. */
import type { Inputs } from "../../src/Backend.ts"
import * as Builder from "../../src/program/Builder.ts"
import { differentiate } from "../../src/program/differentiate.ts"
import { optimize, update } from "../../src/program/optimize.ts"
import { type Program, sessionTensors, sizeOf, type Tensor } from "../../src/program/Program.ts"
import { floats, integers, uniform } from "./random.ts"

export interface Shape {
  readonly batch: number
  readonly time: number
  readonly vocabulary: number
  readonly width: number
  readonly heads: number
  readonly layers: number
  readonly dropout: number
}

export const tiny: Shape = {
  batch: 3,
  time: 9,
  vocabulary: 29,
  width: 24,
  heads: 3,
  layers: 2,
  dropout: 0
}

/** The blocks from tokens to the last layer norm. `cache` is the number of positions kept, when there is a cache. */
const body = (b: Builder.Builder, shape: Shape, time: number, cache: number | undefined): Tensor => {
  const { heads, width } = shape
  const seed = shape.dropout > 0 ? b.input("seed", [1], "i32") : undefined
  const offset = b.input("offset", [1], "i32")
  const drop = (block: Builder.Builder, x: Tensor, salt: number) =>
    seed === undefined ? x : block.dropout(x, { seed, rate: shape.dropout, salt })
  const norm = (block: Builder.Builder, x: Tensor, name: string) =>
    block.layerNorm(
      x,
      {
        gain: block.parameter(`${name}.weight`, [width]),
        bias: block.parameter(`${name}.bias`, [width])
      },
      name
    )
  const linear = (block: Builder.Builder, x: Tensor, outs: number, name: string) =>
    block.linear(
      x,
      {
        weight: block.parameter(`${name}.weight`, [outs, x.shape.at(-1)!]),
        bias: block.parameter(`${name}.bias`, [outs])
      },
      name
    )
  const tokens = b.input("tokens", [shape.batch, time], "i32")
  const table = b.parameter("wte", [shape.vocabulary, width])
  const positions = b.parameter("wpe", [shape.time, width])
  let x = drop(b, b.embedding({ tokens, offset, table, positions }), 0)
  for (let layer = 0; layer < shape.layers; layer++) {
    const block = b.within(`h.${layer}`)
    const qkv = linear(block, norm(block, x, "ln_1"), 3 * width, "attn.c_attn")
    const attended =
      cache === undefined
        ? block.attention(qkv, { heads })
        : block.attentionCached(qkv, {
            keys: block.state("keys", [shape.batch, cache, width]),
            values: block.state("values", [shape.batch, cache, width]),
            offset,
            heads
          })
    x = block.add(x, drop(block, linear(block, attended, width, "attn.c_proj"), 2 * layer + 1), "attn.sum")
    const hidden = block.gelu(linear(block, norm(block, x, "ln_2"), 4 * width, "mlp.c_fc"))
    x = block.add(x, drop(block, linear(block, hidden, width, "mlp.c_proj"), 2 * layer + 2), "mlp.sum")
  }
  return norm(b, x, "ln_f")
}

const lossProgram = (name: string, shape: Shape): { program: Program; loss: string } => {
  const b = Builder.make(name)
  const x = body(b, shape, shape.time, undefined)
  const targets = b.input("targets", [shape.batch, shape.time], "i32")
  const { correct, loss, losses } = b.projectionLoss(x, { table: b.tensor("wte"), targets })
  return { program: b.build([loss, losses, correct]), loss: loss.name }
}

export const lossName = "projectionLoss.loss"

/** Loss alone, without dropout. */
export const evaluateProgram = (shape: Shape): Program =>
  lossProgram("evaluate", { ...shape, dropout: 0 }).program

/** Forward, backward and update. */
export const trainProgram = (shape: Shape): Program => {
  const { loss, program } = lossProgram("train", shape)
  return optimize(differentiate(program, loss))
}

/** The same in three: gradients replaced, gradients added to, and the update. */
export const accumulatePrograms = (
  shape: Shape
): { readonly first: Program; readonly more: Program; readonly update: Program } => {
  const { loss, program } = lossProgram("accumulate", shape)
  const first = differentiate(program, loss, { name: "first", gradients: "state" })
  const more = differentiate(program, loss, { name: "more", gradients: "state", accumulate: true })
  return { first: first.program, more: more.program, update: update(first, { name: "update" }) }
}

/** Logits of every position, from scratch. */
export const logitsProgram = (shape: Shape): Program => {
  const b = Builder.make("logits")
  const x = body(b, { ...shape, dropout: 0 }, shape.time, undefined)
  return b.build([b.linear(x, { weight: b.tensor("wte") }, "logits")])
}

/** Logits of `time` new tokens after those in the cache. */
export const generateProgram = (shape: Shape, time: number): Program => {
  const b = Builder.make(`generate-${time}`)
  const x = body(b, { ...shape, dropout: 0 }, time, shape.time)
  return b.build([b.linear(x, { weight: b.tensor("wte") }, "logits")])
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
