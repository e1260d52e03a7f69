import { assert, describe, it } from "@effect/vitest"
import { engine } from "@trainyard/backends/reference/engine"
import { Effect } from "effect"
import { draws, fillNormal } from "../../src/model/draws.ts"
import type { Sized } from "../../src/model/Family.ts"
import type { GptConfig } from "../../src/model/Gpt.ts"
import { names } from "../../src/model/gpt/parameters.ts"
import { initialValues, parameterCount, parameters, type Spec } from "../../src/model/Parameters.ts"
import * as Programs from "../../src/model/Programs.ts"

const spec: Sized<GptConfig> = {
  model: { embedding: 12, layers: 2, heads: 3, bias: true, dropout: 0 },
  vocabularySize: 17,
  sequenceLength: 6
}

/** Weights that are all different from their initial ones, so that no bias or gain is 0 or 1. */
const weightsOf = (spec: Spec): ReadonlyMap<string, Float32Array> =>
  new Map(
    parameters(spec).map((parameter) => {
      const values = initialValues(parameter, 1)
      const noise = new Float32Array(values.length)
      fillNormal(noise, 0.2, draws("noise", parameter.name))
      return [parameter.name, values.map((value, index) => value + noise[index]!)]
    })
  )

/** GPT-2 written a second time, in float64 and without any of the operations: the logits [T][V] of a run of tokens. */
const gpt2 = (
  spec: Sized<GptConfig>,
  weights: ReadonlyMap<string, Float32Array>,
  tokens: ReadonlyArray<number>
) => {
  const { embedding: C, heads } = spec.model
  const get = (name: string) => weights.get(name)
  const normed = (x: ReadonlyArray<number>, name: string) => {
    const mean = x.reduce((sum, value) => sum + value, 0) / C
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / C
    return x.map(
      (value, c) =>
        ((value - mean) / Math.sqrt(variance + 1e-5)) * get(`${name}.weight`)![c]! +
        (get(`${name}.bias`)?.[c] ?? 0)
    )
  }
  const affine = (x: ReadonlyArray<number>, name: string, outputs: number) =>
    Array.from({ length: outputs }, (_, o) =>
      x.reduce(
        (sum, value, i) => sum + value * get(`${name}.weight`)![o * x.length + i]!,
        get(`${name}.bias`)?.[o] ?? 0
      )
    )
  const gelu = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
  let rows = tokens.map((token, t) =>
    Array.from({ length: C }, (_, c) => get(names.table)![token * C + c]! + get(names.positions)![t * C + c]!)
  )
  for (let index = 0; index < spec.model.layers; index++) {
    const layer = names.layer(index)
    const qkv = rows.map((row) => affine(normed(row, layer.attentionNorm), layer.attentionInput, 3 * C))
    const D = C / heads
    const attended = rows.map((_, t) =>
      Array.from({ length: C }, (_, c) => {
        const head = Math.floor(c / D) * D
        const scores = Array.from({ length: t + 1 }, (_, u) => {
          let sum = 0
          for (let d = 0; d < D; d++) sum += qkv[t]![head + d]! * qkv[u]![C + head + d]!
          return Math.exp(sum / Math.sqrt(D))
        })
        const total = scores.reduce((sum, score) => sum + score, 0)
        return scores.reduce((sum, score, u) => sum + (score / total) * qkv[u]![2 * C + c]!, 0)
      })
    )
    rows = rows.map((row, t) => {
      const projected = affine(attended[t]!, layer.attentionOutput, C)
      const middle = row.map((value, c) => value + projected[c]!)
      const hidden = affine(normed(middle, layer.mlpNorm), layer.mlpInput, 4 * C).map(gelu)
      const output = affine(hidden, layer.mlpOutput, C)
      return middle.map((value, c) => value + output[c]!)
    })
  }
  return rows.map((row) => {
    const x = normed(row, names.finalNorm)
    return Array.from({ length: spec.vocabularySize }, (_, v) =>
      x.reduce((sum, value, c) => sum + value * get(names.table)![v * C + c]!, 0)
    )
  })
}

const settings = { threads: 1, precision: "f32" } as const
const tokens = [3, 0, 16, 7, 7, 1]

const openWith = Effect.fnUntraced(function* (
  weights: ReadonlyMap<string, Float32Array>,
  programs: ReadonlyArray<Parameters<typeof Programs.tensorsOf>[0][number]>
) {
  const session = yield* engine.open(Programs.tensorsOf(programs), settings)
  for (const [name, values] of weights) yield* session.write(name, values)
  return session
})

describe("Programs", () => {
  for (const bias of [true, false]) {
    const own: Sized<GptConfig> = { ...spec, model: { ...spec.model, bias } }
    const weights = weightsOf(own)

    it.effect(`generate computes GPT-2's logits, ${bias ? "with" : "without"} biases`, () =>
      Effect.gen(function* () {
        const program = Programs.generate(own, tokens.length)
        const session = yield* openWith(weights, [program])
        const outputs = yield* (yield* session.prepare(program)).run({
          tokens: Int32Array.from(tokens),
          offset: Int32Array.of(0)
        })
        const expected = gpt2(own, weights, tokens).flat()
        for (const [index, value] of expected.entries())
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
      const expected = gpt2(spec, weights, tokens)
      for (const [offset, token] of tokens.entries()) {
        const outputs = yield* prepared.run({ tokens: Int32Array.of(token), offset: Int32Array.of(offset) })
        for (const [v, value] of expected[offset]!.entries())
          assert.closeTo(outputs[Programs.Ports.logits]![v]!, value, 1e-4)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("evaluate gives the cross-entropy of those logits and leaves out what is ignored", () =>
    Effect.gen(function* () {
      const weights = weightsOf(spec)
      const program = Programs.evaluate(spec, 2)
      const session = yield* openWith(weights, [program])
      const targets = [0, 16, 7, -1, 1, 5]
      const outputs = yield* (yield* session.prepare(program)).run({
        tokens: Int32Array.from([...tokens, ...tokens]),
        targets: Int32Array.from([...targets, ...targets.map(() => -1)]),
        offset: Int32Array.of(0)
      })
      const logits = gpt2(spec, weights, tokens)
      const losses = targets.map((target, t) =>
        target === -1
          ? 0
          : Math.log(logits[t]!.reduce((sum, value) => sum + Math.exp(value), 0)) - logits[t]![target]!
      )
      for (const [t, loss] of losses.entries())
        assert.closeTo(outputs[Programs.Ports.losses]![t]!, loss, 1e-4)
      assert.closeTo(outputs[Programs.Ports.loss]![0]!, losses.reduce((sum, loss) => sum + loss, 0) / 5, 1e-4)
      assert.strictEqual(outputs[Programs.Ports.losses]![8], 0)
    }).pipe(Effect.scoped)
  )

  it.effect("the training step's gradients agree with finite differences of the loss", () =>
    Effect.gen(function* () {
      const weights = weightsOf(spec)
      const { first } = Programs.training(spec, 2, {})
      const session = yield* openWith(weights, [first])
      const prepared = yield* session.prepare(first)
      const inputs = {
        tokens: Int32Array.from([...tokens, ...[...tokens].reverse()]),
        targets: Int32Array.from([...tokens.slice(1), 2, 5, 4, 3, 2, 1, 0]),
        offset: Int32Array.of(0),
        lossGradient: Float32Array.of(1)
      }
      yield* prepared.run(inputs)
      for (const parameter of parameters(spec)) {
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
    }).pipe(Effect.scoped)
  )

  it("dropout is only in training, with another mask at each place", () => {
    const dropping: Sized<GptConfig> = { ...spec, model: { ...spec.model, dropout: 0.1 } }
    const salts = Programs.training(dropping, 1, {})
      .first.steps.filter((step) => step.operation === "dropout")
      .map((step) => step.attributes.salt)
    // Forward and backward use the same masks.
    assert.strictEqual(new Set(salts).size, 1 + 2 * spec.model.layers)
    assert.strictEqual(salts.length, 2 * (1 + 2 * spec.model.layers))
    for (const program of [Programs.evaluate(dropping, 1), Programs.generate(dropping, 1)])
      assert.isFalse(program.steps.some((step) => step.operation === "dropout"))
  })
})

describe("Parameters", () => {
  it("counts what GPT-2 counts", () => {
    // GPT-2's own sizes: 124,439,808 parameters.
    assert.strictEqual(
      parameterCount({
        model: { embedding: 768, layers: 12, heads: 12, bias: true, dropout: 0 },
        vocabularySize: 50257,
        sequenceLength: 1024
      }),
      124_439_808
    )
    // The reference model of this project.
    assert.strictEqual(
      parameterCount({
        model: { embedding: 256, layers: 4, heads: 8, bias: true, dropout: 0 },
        vocabularySize: 10_000,
        sequenceLength: 128
      }),
      5_752_320
    )
  })

  it("start as GPT-2's do, each from the seed and its own name", () => {
    const big: Sized<GptConfig> = { ...spec, vocabularySize: 400, model: { ...spec.model, embedding: 48 } }
    const deviationOf = (values: Float32Array) =>
      Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
    const find = (name: string) => parameters(big).find((parameter) => parameter.name === name)!
    assert.closeTo(deviationOf(initialValues(find(names.table), 1)), 0.02, 0.001)
    const output = find(`${names.layer(1).attentionOutput}.weight`)
    assert.closeTo(deviationOf(initialValues(output, 1)), 0.02 / Math.sqrt(4), 0.0015)
    assert.isTrue(initialValues(find("transformer.ln_f.weight"), 1).every((value) => value === 1))
    assert.deepStrictEqual(initialValues(output, 1), initialValues(output, 1))
    assert.notDeepEqual(initialValues(output, 1), initialValues(output, 2))
    assert.notDeepEqual(
      initialValues(output, 1),
      initialValues(find(`${names.layer(0).attentionOutput}.weight`), 1)
    )
  })
})
