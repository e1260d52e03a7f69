/**
 * For every operation, programs of that one operation on generated shapes and values: size 1, odd sizes, sizes just below, at
 * and beyond the tiles that engines use; every optional argument there and absent; results replaced, added to and dropped.
 */

import type { OperationName } from "../program/operations.ts"
import { type Case, Draft, type Taking } from "./Draft.ts"
import * as gen from "./generate.ts"

/** Sides that are likely to be wrong somewhere, up to a limit. */
const side = (limit: number): gen.Generator<number> =>
  gen.constantFrom(
    ...[1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 96, 127, 129, 200, 257].filter(
      (size) => size <= limit
    )
  )

const seed = gen.integer()
const taking = gen.constantFrom<Taking>("activation", "replace", "add")
/** For two or more optional results, at least one of which is taken. */
const takings = (count: number): gen.Generator<ReadonlyArray<Taking>> =>
  gen
    .array(gen.constantFrom<Taking>("activation", "replace", "add", "drop"), {
      minLength: count,
      maxLength: count
    })
    .filter((all) => all.some((one) => one !== "drop"))

/** Heads and width of each, whose product is the width of the model. */
const heads = gen.record({ heads: gen.constantFrom(1, 2, 3, 5), size: side(33) })

/** Rows as one axis, or split over two. */
const rowsOf = (rows: number, extra: boolean, width: number): ReadonlyArray<number> =>
  extra ? [rows, 3, width] : [rows, width]

const linearShapes = gen.record({
  rows: side(129),
  extra: gen.boolean(),
  ins: side(200),
  outs: side(200),
  seed
})

export const cases: Readonly<Partial<Record<OperationName, gen.Generator<Case>>>> = {
  embedding: gen
    .record({
      batch: side(5),
      time: side(33),
      vocabulary: side(65),
      width: side(65),
      more: side(5),
      each: gen.boolean(),
      seed
    })
    .map(({ batch, each, more, seed, time, vocabulary, width }) => {
      const d = new Draft("embedding", seed)
      d.step("embedding", [
        d.integers("tokens", [batch, time], vocabulary),
        d.integers("offset", [each ? batch : 1], more + 1),
        d.floats("table", [vocabulary, width]),
        d.floats("positions", [time + more, width])
      ])
      return d.done()
    }),
  embeddingBackward: gen
    .record({
      batch: side(5),
      time: side(33),
      vocabulary: side(65),
      width: side(65),
      more: side(5),
      each: gen.boolean(),
      taken: takings(2),
      seed
    })
    .map(({ batch, each, more, seed, taken, time, vocabulary, width }) => {
      const d = new Draft("embeddingBackward", seed)
      d.step(
        "embeddingBackward",
        [
          d.floats("dy", [batch, time, width]),
          d.integers("tokens", [batch, time], vocabulary),
          d.integers("offset", [each ? batch : 1], more + 1)
        ],
        {},
        taken,
        [
          [vocabulary, width],
          [time + more, width]
        ]
      )
      return d.done()
    }),
  layerNorm: gen
    .record({ rows: side(65), extra: gen.boolean(), width: side(257), bias: gen.boolean(), seed })
    .map(({ bias, extra, rows, seed, width }) => {
      const d = new Draft("layerNorm", seed)
      d.step(
        "layerNorm",
        [
          d.floats("x", rowsOf(rows, extra, width), 3),
          d.floats("gain", [width]),
          bias ? d.floats("bias", [width]) : undefined
        ],
        { epsilon: 1e-5 }
      )
      return d.done()
    }),
  layerNormBackward: gen
    .record({ rows: side(65), extra: gen.boolean(), width: side(129), taken: takings(3), seed })
    .map(({ extra, rows, seed, taken, width }) => {
      const d = new Draft("layerNormBackward", seed)
      const x = d.floats("x", rowsOf(rows, extra, width), 3)
      const gain = d.floats("gain", [width])
      // A larger epsilon keeps a width of 1, whose variance is zero, from dividing noise by nothing.
      const [, mean, rstd] = d.builder.step("layerNorm", [x, gain, undefined], { epsilon: 0.1 })
      d.step("layerNormBackward", [d.floats("dy", x.shape), x, gain, mean!, rstd!], {}, taken)
      return d.done()
    }),
  linear: gen.record({ shapes: linearShapes, bias: gen.boolean() }).map(({ bias, shapes }) => {
    const { extra, ins, outs, rows, seed } = shapes
    const d = new Draft("linear", seed)
    d.step("linear", [
      d.floats("x", rowsOf(rows, extra, ins)),
      d.floats("weight", [outs, ins]),
      bias ? d.floats("bias", [outs]) : undefined
    ])
    return d.done()
  }),
  linearBackwardInput: gen.record({ shapes: linearShapes, taken: taking }).map(({ shapes, taken }) => {
    const { extra, ins, outs, rows, seed } = shapes
    const d = new Draft("linearBackwardInput", seed)
    d.step(
      "linearBackwardInput",
      [d.floats("dy", rowsOf(rows, extra, outs)), d.floats("weight", [outs, ins])],
      {},
      [taken]
    )
    return d.done()
  }),
  linearBackwardWeight: gen.record({ shapes: linearShapes, taken: takings(2) }).map(({ shapes, taken }) => {
    const { extra, ins, outs, rows, seed } = shapes
    const d = new Draft("linearBackwardWeight", seed)
    d.step(
      "linearBackwardWeight",
      [d.floats("dy", rowsOf(rows, extra, outs)), d.floats("x", rowsOf(rows, extra, ins))],
      {},
      taken
    )
    return d.done()
  }),
  attention: gen
    .record({ batch: side(3), time: side(65), heads, seed })
    .map(({ batch, heads: { heads, size }, seed, time }) => {
      const d = new Draft("attention", seed)
      d.step("attention", [d.floats("qkv", [batch, time, 3 * heads * size], 2)], { heads })
      return d.done()
    }),
  attentionBackward: gen
    .record({ batch: side(3), time: side(65), heads, replace: gen.boolean(), seed })
    .map(({ batch, heads: { heads, size }, replace, seed, time }) => {
      const d = new Draft("attentionBackward", seed)
      const qkv = d.floats("qkv", [batch, time, 3 * heads * size], 2)
      const [y, logSumExp] = d.builder.step("attention", [qkv], { heads })
      const dy = d.floats("dy", [batch, time, heads * size])
      d.step("attentionBackward", [dy, qkv, y!, logSumExp!], { heads }, [replace ? "replace" : "activation"])
      return d.done()
    }),
  attentionCached: gen
    .record({
      batch: side(3),
      time: side(17),
      heads,
      before: side(33),
      after: side(4),
      each: gen.boolean(),
      inSlots: gen.boolean(),
      seed
    })
    .map(({ after, batch, before, each, heads: { heads, size }, inSlots, seed, time }) => {
      const d = new Draft("attentionCached", seed)
      const rows = inSlots ? batch + 2 : batch
      const cache = [rows, before - 1 + time + after - 1, heads * size]
      // Texts at different positions, in rows of the cache that are not in order.
      const offsets = Int32Array.from({ length: each ? batch : 1 }, (_, b) =>
        Math.floor((before - 1) / (b + 1))
      )
      const slots = Int32Array.from({ length: batch }, (_, b) => rows - 1 - b)
      d.step(
        "attentionCached",
        [
          d.floats("qkv", [batch, time, 3 * heads * size], 2),
          d.held("keys", cache),
          d.held("values", cache),
          d.given("offset", [offsets.length], offsets),
          inSlots ? d.given("slots", [batch], slots) : undefined
        ],
        { heads }
      )
      return d.done()
    }),
  gelu: gen.record({ rows: side(129), width: side(257), seed }).map(({ rows, seed, width }) => {
    const d = new Draft("gelu", seed)
    d.step("gelu", [d.floats("x", [rows, width], 6)])
    return d.done()
  }),
  geluBackward: gen
    .record({ rows: side(129), width: side(257), taken: taking, seed })
    .map(({ rows, seed, taken, width }) => {
      const d = new Draft("geluBackward", seed)
      d.step("geluBackward", [d.floats("dy", [rows, width]), d.floats("x", [rows, width], 6)], {}, [taken])
      return d.done()
    }),
  add: gen
    .record({ rows: side(129), width: side(257), taken: taking, seed })
    .map(({ rows, seed, taken, width }) => {
      const d = new Draft("add", seed)
      d.step("add", [d.floats("a", [rows, width]), d.floats("b", [rows, width])], {}, [taken])
      return d.done()
    }),
  dropout: gen
    .record({
      rows: side(129),
      width: side(257),
      rate: gen.constantFrom(0, 0.1, 0.25, 0.7),
      salt: gen.integer({ min: 0, max: 100 }),
      step: gen.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      taken: taking,
      seed
    })
    .map(({ rate, rows, salt, seed, step, taken, width }) => {
      const d = new Draft("dropout", seed)
      const x = d.floats("x", [rows, width])
      d.step("dropout", [x, d.given("seed", [1], Int32Array.of(step))], { rate, salt }, [taken])
      return d.done()
    }),
  projectionLoss: gen
    .record({
      batch: side(5),
      time: side(17),
      width: side(65),
      vocabulary: side(257),
      taken: gen.constantFrom<Taking>("activation", "drop"),
      seed
    })
    .map(({ batch, seed, taken, time, vocabulary, width }) => {
      const d = new Draft("projectionLoss", seed)
      d.step(
        "projectionLoss",
        [
          d.floats("x", [batch, time, width]),
          d.floats("table", [vocabulary, width]),
          d.integers("targets", [batch, time], vocabulary, -1)
        ],
        {},
        ["activation", "activation", taken, "activation"]
      )
      return d.done()
    }),
  projectionLossBackward: gen
    .record({
      batch: side(5),
      time: side(17),
      width: side(65),
      vocabulary: side(257),
      taken: takings(2),
      seed
    })
    .map(({ batch, seed, taken, time, vocabulary, width }) => {
      const d = new Draft("projectionLossBackward", seed)
      const x = d.floats("x", [batch, time, width])
      const table = d.floats("table", [vocabulary, width])
      const targets = d.integers("targets", [batch, time], vocabulary, -1)
      const [, , , logSumExp] = d.builder.step(
        "projectionLoss",
        [x, table, targets],
        {},
        {
          outputs: [undefined, undefined, null]
        }
      )
      d.step("projectionLossBackward", [d.floats("dLoss", [1]), x, table, targets, logSumExp!], {}, taken)
      return d.done()
    }),
  gradientNorm: gen
    .record({
      sizes: gen.array(side(257), { minLength: 1, maxLength: 5 }),
      maximum: gen.constantFrom(0, 0.5, 1, 1000),
      seed
    })
    .map(({ maximum, seed, sizes }) => {
      const d = new Draft("gradientNorm", seed)
      d.step(
        "gradientNorm",
        sizes.map((size, index) => d.floats(`gradient.${index}`, [3, size])),
        { maximum }
      )
      return d.done()
    }),
  adamW: gen
    .record({
      rows: side(65),
      width: side(65),
      step: gen.integer({ min: 1, max: 3000 }),
      scale: gen.constantFrom(1, 0.3, Number.NaN),
      weightDecay: gen.constantFrom(0, 0.1),
      seed
    })
    .map(({ rows, scale, seed, step, weightDecay, width }) => {
      const d = new Draft("adamW", seed)
      d.step(
        "adamW",
        [
          d.held("parameter", [rows, width]),
          d.floats("gradient", [rows, width]),
          d.held("firstMoment", [rows, width]),
          d.held("secondMoment", [rows, width], "positive"),
          d.given("scale", [1], Float32Array.of(scale)),
          d.given("learningRate", [1], Float32Array.of(0.01)),
          d.given("step", [1], Int32Array.of(step))
        ],
        { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay }
      )
      return d.done()
    })
}
