import { assert, describe, it } from "@effect/vitest"
import { engine } from "@trainyard/backends/reference/engine"
import { Effect } from "effect"
import { draws, fillNormal } from "../../../src/model/draws.ts"
import type { Sized } from "../../../src/model/Family.ts"
import { initialValues, parameterCount, parameters } from "../../../src/model/Parameters.ts"
import * as Programs from "../../../src/model/Programs.ts"
import type { QwenConfig } from "../../../src/model/Qwen.ts"
import { names } from "../../../src/model/qwen/parameters.ts"
import { widthsOf } from "../../../src/model/qwen/widths.ts"

type Spec = Sized<QwenConfig>

const spec: Spec = {
  model: {
    family: "qwen",
    embedding: 12,
    layers: 2,
    heads: 4,
    keyValueHeads: 2,
    headWidth: 4,
    hidden: 10,
    qkNorm: true,
    tied: true,
    theta: 100,
    epsilon: 1e-6,
    dropout: 0
  },
  vocabularySize: 17,
  sequenceLength: 6
}

/** Weights that are all different from their initial ones, so that no gain is 1. */
const weightsOf = (spec: Spec): ReadonlyMap<string, Float32Array> =>
  new Map(
    parameters(spec).map((parameter) => {
      const values = initialValues(parameter, 1)
      const noise = new Float32Array(values.length)
      fillNormal(noise, 0.2, draws("noise", parameter.name))
      return [parameter.name, values.map((value, index) => value + noise[index]!)]
    })
  )

type Row = ReadonlyArray<number>

/**
 * Qwen3 written a second time, in float64 and without any of the operations: the logits [T][V] of a run of tokens, each of which sees
 * those from its document's start on.
 */
const qwen3 = (
  { model, vocabularySize }: Spec,
  weights: ReadonlyMap<string, Float32Array>,
  tokens: Row,
  starts: Row
) => {
  const { headWidth: D, hidden, keyValue, keyValueHeads, query } = widthsOf(model)
  const get = (name: string) => weights.get(name)!
  const rmsNorm = (x: Row, gain: string) => {
    const square = x.reduce((sum, value) => sum + value * value, 0) / x.length
    return x.map((value, c) => (value / Math.sqrt(square + model.epsilon)) * get(gain)[c]!)
  }
  const matrix = (x: Row, name: string, outputs: number): Row =>
    Array.from({ length: outputs }, (_, o) =>
      x.reduce((sum, value, i) => sum + value * get(name)[o * x.length + i]!, 0)
    )
  const rotate = (x: Row, t: number) =>
    x.map((value, d) => {
      const pair = d % (D / 2)
      const angle = t * model.theta ** ((-2 * pair) / D)
      const other = d < D / 2 ? -x[d + D / 2]! : x[d - D / 2]!
      return value * Math.cos(angle) + other * Math.sin(angle)
    })
  const headsOf = (x: Row, gain: string, t: number) =>
    Array.from({ length: x.length / D }, (_, head) => {
      const own = x.slice(head * D, (head + 1) * D)
      return rotate(model.qkNorm ? rmsNorm(own, gain) : own, t)
    })
  const silu = (x: number) => x / (1 + Math.exp(-x))
  let rows: ReadonlyArray<Row> = tokens.map((token) =>
    Array.from(get(names.table).subarray(token * model.embedding, (token + 1) * model.embedding))
  )
  for (let index = 0; index < model.layers; index++) {
    const layer = names.layer(index)
    const normed = rows.map((row) => rmsNorm(row, layer.attentionNorm))
    const queries = normed.map((row, t) => headsOf(matrix(row, layer.query, query), layer.queryNorm, t))
    const keys = normed.map((row, t) => headsOf(matrix(row, layer.key, keyValue), layer.keyNorm, t))
    const values = normed.map((row) => matrix(row, layer.value, keyValue))
    const attended = queries.map((own, t) =>
      own.flatMap((q, head) => {
        const group = Math.floor(head / (model.heads / keyValueHeads))
        const seen = Array.from({ length: t + 1 - starts[t]! }, (_, u) => starts[t]! + u)
        const scores = seen.map((u) =>
          Math.exp(q.reduce((sum, value, d) => sum + value * keys[u]![group]![d]!, 0) / Math.sqrt(D))
        )
        const total = scores.reduce((sum, score) => sum + score, 0)
        return Array.from({ length: D }, (_, d) =>
          scores.reduce((sum, score, at) => sum + (score / total) * values[seen[at]!]![group * D + d]!, 0)
        )
      })
    )
    rows = rows.map((row, t) => {
      const projected = matrix(attended[t]!, layer.attentionOutput, model.embedding)
      const middle = row.map((value, c) => value + projected[c]!)
      const x = rmsNorm(middle, layer.mlpNorm)
      const up = matrix(x, layer.up, hidden)
      const activated = matrix(x, layer.gate, hidden).map((value, c) => silu(value) * up[c]!)
      const output = matrix(activated, layer.mlpOutput, model.embedding)
      return middle.map((value, c) => value + output[c]!)
    })
  }
  return rows.map((row) =>
    matrix(rmsNorm(row, names.finalNorm), model.tied ? names.table : names.output, vocabularySize)
  )
}

const settings = { threads: 1, precision: "f32" } as const
const tokens = [3, 0, 16, 7, 7, 1]
const oneDocument = tokens.map(() => 0)

const openWith = Effect.fnUntraced(function* (
  weights: ReadonlyMap<string, Float32Array>,
  programs: ReadonlyArray<Parameters<typeof Programs.tensorsOf>[0][number]>
) {
  const session = yield* engine.open(Programs.tensorsOf(programs), settings)
  for (const [name, values] of weights) yield* session.write(name, values)
  return session
})

const lossesOf = (logits: ReadonlyArray<Row>, targets: Row) =>
  targets.map((target, t) =>
    target === -1
      ? 0
      : Math.log(logits[t]!.reduce((sum, value) => sum + Math.exp(value), 0)) - logits[t]![target]!
  )

const variants: ReadonlyArray<readonly [string, Partial<QwenConfig>]> = [
  ["as Qwen3", {}],
  ["as Llama, without QK-norm", { qkNorm: false }],
  ["with an output layer of its own", { tied: false }],
  ["with as many heads for keys and values", { keyValueHeads: 4 }],
  ["with one head for keys and values", { keyValueHeads: 1 }]
]

describe("Programs of Qwen3's family", () => {
  for (const [name, change] of variants) {
    const own: Spec = { ...spec, model: { ...spec.model, ...change } }
    it.effect(`generate computes the logits, ${name}`, () =>
      Effect.gen(function* () {
        const weights = weightsOf(own)
        const program = Programs.generate(own, tokens.length)
        const session = yield* openWith(weights, [program])
        const outputs = yield* (yield* session.prepare(program)).run({
          tokens: Int32Array.from(tokens),
          offset: Int32Array.of(0)
        })
        for (const [index, value] of qwen3(own, weights, tokens, oneDocument).flat().entries())
          assert.closeTo(outputs[Programs.Ports.logits]![index]!, value, 1e-4)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("generate reads token by token as it does all at once", () =>
    Effect.gen(function* () {
      const weights = weightsOf(spec)
      const program = Programs.generate(spec, 1)
      const session = yield* openWith(weights, [program])
      const prepared = yield* session.prepare(program)
      const expected = qwen3(spec, weights, tokens, oneDocument)
      for (const [offset, token] of tokens.entries()) {
        const outputs = yield* prepared.run({ tokens: Int32Array.of(token), offset: Int32Array.of(offset) })
        for (const [v, value] of expected[offset]!.entries())
          assert.closeTo(outputs[Programs.Ports.logits]![v]!, value, 1e-4)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("evaluate keeps attention within documents, in windows of any length", () =>
    Effect.gen(function* () {
      const weights = weightsOf(spec)
      const starts = [0, 0, 2, 2, 2]
      const short = tokens.slice(0, 5)
      const targets = [0, 16, 7, -1, 1]
      const program = Programs.evaluate(spec, 2, { length: 5, documents: true })
      const session = yield* openWith(weights, [program])
      const outputs = yield* (yield* session.prepare(program)).run({
        tokens: Int32Array.from([...short, ...short]),
        targets: Int32Array.from([...targets, ...targets]),
        starts: Int32Array.from([...starts, ...short.map(() => 0)]),
        offset: Int32Array.of(0)
      })
      const expected = [starts, short.map(() => 0)].flatMap((from) =>
        lossesOf(qwen3(spec, weights, short, from), targets)
      )
      for (const [t, loss] of expected.entries())
        assert.closeTo(outputs[Programs.Ports.losses]![t]!, loss, 1e-4)
    }).pipe(Effect.scoped)
  )

  it.effect("the training step's gradients agree with finite differences of the loss", () =>
    Effect.gen(function* () {
      for (const [, change] of variants.slice(0, 3)) {
        const own: Spec = { ...spec, model: { ...spec.model, ...change } }
        const weights = weightsOf(own)
        const { first } = Programs.training(own, 2, { documents: true })
        const session = yield* openWith(weights, [first])
        const prepared = yield* session.prepare(first)
        const inputs = {
          tokens: Int32Array.from([...tokens, ...[...tokens].reverse()]),
          targets: Int32Array.from([...tokens.slice(1), 2, 5, 4, 3, 2, 1, 0]),
          starts: Int32Array.from([0, 0, 0, 3, 3, 3, ...oneDocument]),
          offset: Int32Array.of(0),
          lossGradient: Float32Array.of(1)
        }
        yield* prepared.run(inputs)
        for (const parameter of parameters(own)) {
          const gradient = yield* session.read(`${parameter.name}.gradient`)
          const values = weights.get(parameter.name)!
          const at = Math.floor(draws("element", parameter.name)() * values.length)
          const lossAt = Effect.fnUntraced(function* (value: number) {
            const moved = values.slice()
            moved[at] = value
            yield* session.write(parameter.name, moved)
            const outputs = yield* prepared.run(inputs)
            yield* session.write(parameter.name, values)
            return outputs[Programs.Ports.loss]![0]!
          })
          const [up, down] = [Math.fround(values[at]! + 0.002), Math.fround(values[at]! - 0.002)]
          const slope = ((yield* lossAt(up)) - (yield* lossAt(down))) / (up - down)
          assert.closeTo(gradient[at]!, slope, 2e-3, parameter.name)
        }
      }
    }).pipe(Effect.scoped)
  )

  it.effect("gradients of two batches add up in the session", () =>
    Effect.gen(function* () {
      const weights = weightsOf(spec)
      const { first, more } = Programs.training(spec, 1, {})
      const session = yield* openWith(weights, [first, more])
      const inputs = {
        tokens: Int32Array.from(tokens),
        targets: Int32Array.from([...tokens.slice(1), 2]),
        offset: Int32Array.of(0),
        lossGradient: Float32Array.of(0.5)
      }
      yield* (yield* session.prepare(first)).run(inputs)
      const once = yield* Effect.forEach(parameters(spec), ({ name }) => session.read(`${name}.gradient`))
      yield* (yield* session.prepare(more)).run(inputs)
      for (const [index, { name }] of parameters(spec).entries()) {
        const twice = yield* session.read(`${name}.gradient`)
        for (const [at, value] of once[index]!.entries()) assert.closeTo(twice[at]!, 2 * value, 1e-5, name)
      }
    }).pipe(Effect.scoped)
  )

  it("dropout is where its probability says, in training only", () => {
    const ratesOf = (dropout: QwenConfig["dropout"]) =>
      Programs.training({ ...spec, model: { ...spec.model, dropout } }, 1, {})
        .first.steps.filter((step) => step.operation === "dropout")
        .map((step) => step.attributes.rate)
    // Forward and backward.
    assert.strictEqual(ratesOf(0.1).length, 2 * (1 + 2 * spec.model.layers))
    assert.deepStrictEqual(ratesOf({ embedding: 0, attention: 0, mlp: 0.2 }), [0.2, 0.2, 0.2, 0.2])
    const dropping: Spec = { ...spec, model: { ...spec.model, dropout: 0.1 } }
    for (const program of [Programs.evaluate(dropping, 1), Programs.generate(dropping, 1)])
      assert.isFalse(program.steps.some((step) => step.operation === "dropout"))
  })
})

describe("Parameters of Qwen3's family", () => {
  it("counts what Qwen3-0.6B counts", () => {
    // Of its 596,049,920 parameters with the tied embedding counted once (Qwen/Qwen3-0.6B, config.json).
    assert.strictEqual(
      parameterCount({
        model: {
          ...spec.model,
          embedding: 1024,
          layers: 28,
          heads: 16,
          keyValueHeads: 8,
          headWidth: 128,
          hidden: 3072
        },
        vocabularySize: 151_936,
        sequenceLength: 40_960
      }),
      596_049_920
    )
  })

  it("Muon's matrices are those of the hidden layers", () => {
    const all = parameters({ ...spec, model: { ...spec.model, tied: false } })
    const others = all.filter(({ hiddenMatrices }) => hiddenMatrices === 0)
    assert.isTrue(all.every(({ hiddenMatrices, shape }) => hiddenMatrices === 0 || shape.length === 2))
    assert.deepStrictEqual(
      others.filter(({ shape }) => shape.length === 2).map(({ name }) => name),
      [names.table, names.output]
    )
  })

  it("a context of another length has the same parameters", () => {
    assert.deepStrictEqual(parameters({ ...spec, sequenceLength: 2048 }), parameters(spec))
  })
})
