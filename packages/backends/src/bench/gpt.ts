/**
 * A GPT-2-style transformer written as programs, for measuring engines and for testing them. The model that is trained for its own
 * sake lives in the stages.
 */
import { type Builder, make } from "../program/Builder.ts"
import { differentiate } from "../program/differentiate.ts"
import { optimize, update } from "../program/optimize.ts"
import type { Program, Tensor } from "../program/Program.ts"

export interface GptShape {
  readonly batch: number
  readonly time: number
  readonly vocabulary: number
  readonly width: number
  readonly heads: number
  readonly layers: number
  readonly dropout: number
}

/** The model and batch that figures are given for: 5.7 million parameters, 1,024 tokens a step. */
export const referenceShape: GptShape = {
  batch: 8,
  time: 128,
  vocabulary: 10_000,
  width: 256,
  heads: 8,
  layers: 4,
  dropout: 0
}

export const sizeNames = ["reference", "110m"] as const
export type Size = (typeof sizeNames)[number]

/** The shapes that `trainyard bench --size` measures: the reference model, and 110 million parameters with one sequence of 1,024 tokens a step. */
export const sizes: Readonly<Record<Size, GptShape>> = {
  reference: referenceShape,
  "110m": { batch: 1, time: 1024, vocabulary: 32_000, width: 768, heads: 12, layers: 12, dropout: 0 }
}

export const lossName = "projectionLoss.loss"

/** The blocks from tokens to the last layer norm. `cache` is the number of positions kept, when there is a cache. */
const body = (b: Builder, shape: GptShape, time: number, cache: number | undefined): Tensor => {
  const { heads, width } = shape
  const seed = shape.dropout > 0 ? b.input("seed", [1], "i32") : undefined
  const offset = b.input("offset", [1], "i32")
  const drop = (block: Builder, x: Tensor, salt: number) =>
    seed === undefined ? x : block.dropout(x, { seed, rate: shape.dropout, salt })
  const norm = (block: Builder, x: Tensor, name: string) =>
    block.layerNorm(
      x,
      {
        gain: block.parameter(`${name}.weight`, [width]),
        bias: block.parameter(`${name}.bias`, [width])
      },
      name
    )
  const linear = (block: Builder, x: Tensor, outs: number, name: string) =>
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

const forward = (name: string, shape: GptShape): Program => {
  const b = make(name)
  const x = body(b, shape, shape.time, undefined)
  const targets = b.input("targets", [shape.batch, shape.time], "i32")
  const { correct, loss, losses } = b.projectionLoss(x, { table: b.tensor("wte"), targets })
  return b.build([loss, losses, correct])
}

/** Loss alone, without dropout. */
export const evaluateProgram = (shape: GptShape): Program => forward("evaluate", { ...shape, dropout: 0 })

/** Forward, backward and update. */
export const trainProgram = (shape: GptShape): Program =>
  optimize(differentiate(forward("train", shape), lossName))

/** The same in three: gradients replaced, gradients added to, and the update. */
export const accumulatePrograms = (
  shape: GptShape
): { readonly first: Program; readonly more: Program; readonly update: Program } => {
  const program = forward("accumulate", shape)
  const first = differentiate(program, lossName, { name: "first", gradients: "state" })
  const more = differentiate(program, lossName, { name: "more", gradients: "state", accumulate: true })
  return { first: first.program, more: more.program, update: update(first, { name: "update" }) }
}

/** Logits of every position, from scratch. */
export const logitsProgram = (shape: GptShape): Program => {
  const b = make("logits")
  const x = body(b, { ...shape, dropout: 0 }, shape.time, undefined)
  return b.build([b.linear(x, { weight: b.tensor("wte") }, "logits")])
}

/** Logits of `time` new tokens after those in the cache. */
export const generateProgram = (shape: GptShape, time: number): Program => {
  const b = make(`generate-${time}`)
  const x = body(b, { ...shape, dropout: 0 }, time, shape.time)
  return b.build([b.linear(x, { weight: b.tensor("wte") }, "logits")])
}
