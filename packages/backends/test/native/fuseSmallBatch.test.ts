/** Programs that read few tokens: which steps they become, and that each text has the tokens' results that it has alone. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Engine, Inputs, Precision } from "../../src/Backend.ts"
import { difference, sameBits } from "../../src/contract/compare.ts"
import { floats, uniform } from "../../src/contract/random.ts"
import { fuse } from "../../src/native/fuse.ts"
import { make } from "../../src/program/Builder.ts"
import { type Program, sessionTensors, sizeOf, type Tensor } from "../../src/program/Program.ts"
import { engine as reference } from "../../src/reference/engine.ts"
import { engineFor, paths } from "./paths.ts"

const [slots, places, width, heads, groups, size, hidden, vocabulary] = [40, 21, 72, 6, 3, 12, 100, 90]

/** A layer of the second model family over a cache, and logits: `batch` texts of `time` new tokens. */
const layer = (batch: number, time = 1): Program => {
  const b = make("token")
  const parameter = (name: string, shape: ReadonlyArray<number>) => b.parameter(name, shape)
  const norm = (x: Tensor, name: string, over: number) =>
    b.apply("rmsNorm", { x, gain: parameter(`${name}.weight`, [over]) }, { epsilon: 1e-5 }, name)
  const linear = (x: Tensor, outs: number, name: string) =>
    b.linear(x, { weight: parameter(`${name}.weight`, [outs, x.shape.at(-1)!]) }, name)
  const [offset, at] = [b.input("offset", [batch], "i32"), b.input("slots", [batch], "i32")]
  const turned = (x: Tensor, count: number, name: string) =>
    b.apply(
      "rope",
      { x: norm(x, `${name}_norm`, size), offset },
      { heads: count, theta: 100 },
      `${name}_rope`
    )
  const x = b.input("x", [batch, time, width])
  const normed = norm(x, "first", width)
  const attended = b.apply(
    "groupedAttentionCached",
    {
      query: turned(linear(normed, heads * size, "q"), heads, "q"),
      key: turned(linear(normed, groups * size, "k"), groups, "k"),
      value: linear(normed, groups * size, "v"),
      keys: b.state("keys", [slots, places, groups * size]),
      values: b.state("values", [slots, places, groups * size]),
      offset,
      slots: at
    },
    { heads, groups },
    "attention"
  )
  const middle = b.add(x, linear(attended, width, "o"), "sum")
  const inner = norm(middle, "second", width)
  const gated = b.apply(
    "swiglu",
    { gate: linear(inner, hidden, "gate"), up: linear(inner, hidden, "up") },
    {},
    "mlp"
  )
  const output = b.add(middle, linear(gated, width, "down"), "output")
  return b.build([linear(norm(output, "last", width), vocabulary, "logits")])
}

const stepsOf = (program: Program) => fuse(program).steps.map(({ operation }) => operation)

describe("fusion of programs that read few tokens", () => {
  it("leaves products and attention", () => {
    const products = (count: number) => Array.from({ length: count }, () => "linear")
    assert.deepStrictEqual(stepsOf(layer(16)), [...products(3), "groupedAttentionCached", ...products(5)])
  })
  it("leaves norms of many rows, and positions of several tokens, as they are", () => {
    const operations = stepsOf(layer(2, 9))
    for (const operation of ["rmsNorm", "rope"]) assert.include(operations, operation)
  })
})

const initial = (program: Program): Readonly<Record<string, Float32Array>> => {
  const next = uniform(7)
  return Object.fromEntries(
    sessionTensors(program).map(({ name, shape }) => [
      name,
      floats(next, sizeOf(shape)).map((value) => (shape.length === 1 ? 1 + value / 4 : value / 3))
    ])
  )
}

/** Text i of all has a place in the cache, and a length, of its own. */
const inputsOf = (texts: ReadonlyArray<number>): Inputs => ({
  x: Float32Array.from(texts.flatMap((text) => [...floats(uniform(1 + text), width)])),
  offset: Int32Array.from(texts, (text) => (5 * text) % places),
  slots: Int32Array.from(texts, (text) => slots - 1 - text)
})

const logitsOn = Effect.fnUntraced(function* (
  engine: Engine,
  settings: { readonly threads: number; readonly precision: Precision },
  batches: ReadonlyArray<ReadonlyArray<number>>
) {
  const programs = batches.map((texts) => layer(texts.length))
  const session = yield* engine.open(sessionTensors(programs[0]!), settings)
  const values = initial(programs[0]!)
  const all: Array<Float32Array> = []
  for (const [index, texts] of batches.entries()) {
    for (const [name, value] of Object.entries(values)) yield* session.write(name, value)
    const prepared = yield* session.prepare(programs[index]!)
    const { "logits.y": logits } = yield* prepared.run(inputsOf(texts))
    for (const row of texts.keys()) all.push(logits!.slice(row * vocabulary, (row + 1) * vocabulary))
  }
  return all
}, Effect.scoped)

describe.each(paths)("a token of several texts on %s", async (kernels) => {
  const engine = engineFor(kernels)
  const here = await Effect.runPromise(engine.availability)
  const texts = Array.from({ length: 33 }, (_, text) => text)
  const alone = texts.map((text) => [text])
  const tolerances = { f32: 3e-5, bf16: 4e-2, int8: 8e-2 }
  for (const precision of ["f32", "bf16", "int8"] as const)
    it.live.skipIf(!here.available)(
      `is in ${precision} that of each alone, to the bit, for any number of threads, and that of reference`,
      () =>
        Effect.gen(function* () {
          const right = yield* logitsOn(reference, { threads: 1, precision: "f32" }, alone.slice(0, 5))
          const mine = yield* logitsOn(engine, { threads: 1, precision }, alone)
          for (const [text, expected] of right.entries())
            assert.isUndefined(difference("logits", mine[text]!, expected, tolerances[precision]))
          for (const batches of [[texts.slice(0, 2)], [texts.slice(0, 5)], [texts.slice(0, 16)], [texts]])
            for (const threads of [1, 3]) {
              const beside = yield* logitsOn(engine, { threads, precision }, batches)
              for (const [text, logits] of beside.entries())
                if (precision !== "int8" || beside.length <= 32)
                  assert.isTrue(
                    sameBits(logits, mine[text]!),
                    `text ${text} of ${beside.length}, ${threads} threads`
                  )
            }
        })
    )
})
