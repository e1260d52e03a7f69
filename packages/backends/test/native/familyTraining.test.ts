/** A small model of the second family, with document masks, trained by Muon and AdamW: as reference does it, to the same bits with any number of threads. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Engine, Precision } from "../../src/Backend.ts"
import { sameBits } from "../../src/contract/compare.ts"
import { writeAll } from "../../src/contract/running.ts"
import { heldBy, initial } from "../../src/contract/tinyGpt.ts"
import { type Builder, make } from "../../src/program/Builder.ts"
import { differentiate } from "../../src/program/differentiate.ts"
import { optimize } from "../../src/program/optimize.ts"
import { adamW } from "../../src/program/optimizers/adamW.ts"
import { muon } from "../../src/program/optimizers/muon.ts"
import type { Attributes, Tensor } from "../../src/program/Program.ts"
import { engine as reference } from "../../src/reference/engine.ts"
import { underTest } from "./oneStep.ts"
import { engineFor } from "./paths.ts"

const [batch, time, heads, groups, size, vocabulary] = [2, 40, 4, 2, 16, 90]
const width = heads * size

const first = (
  b: Builder,
  operation: Parameters<Builder["step"]>[0],
  inputs: ReadonlyArray<Tensor | undefined>,
  attributes: Attributes = {}
): Tensor => {
  const [result] = b.step(operation, [...inputs], attributes)
  assert.isOk(result)
  return result!
}

const layer = (b: Builder, x: Tensor, starts: Tensor, offset: Tensor): Tensor => {
  const linear = (from: Tensor, name: string, rows: number, columns: number) =>
    first(b, "linear", [from, b.parameter(name, [rows, columns]), undefined])
  const norm = (from: Tensor, name: string, gains: number) =>
    first(b, "rmsNorm", [from, b.parameter(name, [gains])], { epsilon: 1e-6 })
  const turned = (from: Tensor, name: string, count: number) =>
    first(b, "rope", [norm(from, name, size), offset], { heads: count, theta: 10_000 })
  const n = norm(x, "norm1", width)
  const query = turned(linear(n, "query", width, width), "queryNorm", heads)
  const key = turned(linear(n, "key", groups * size, width), "keyNorm", groups)
  const value = linear(n, "value", groups * size, width)
  const seen = first(b, "groupedAttention", [query, key, value, starts], { heads, groups })
  const y = first(b, "add", [x, linear(seen, "out", width, width)])
  const m = norm(y, "norm2", width)
  const gated = first(b, "swiglu", [linear(m, "gate", 2 * width, width), linear(m, "up", 2 * width, width)])
  return first(b, "add", [y, linear(gated, "down", width, 2 * width)])
}

const training = () => {
  const b = make("family")
  const [tokens, targets, starts] = ["tokens", "targets", "starts"].map((name) =>
    b.input(name, [batch, time], "i32")
  )
  const table = b.parameter("table", [vocabulary, width])
  const x = first(b, "gather", [table, tokens])
  const y = layer(b, x, starts!, b.input("offset", [1], "i32"))
  const n = first(b, "rmsNorm", [y, b.parameter("norm3", [width])], { epsilon: 1e-6 })
  const loss = first(b, "projectionLoss", [n, table, targets])
  const program = optimize(differentiate(b.build([loss]), loss.name), {
    optimizer: ({ name, shape }) =>
      shape.length === 2 && name !== "table" ? muon() : adamW({ weightDecay: 0 })
  })
  return { program, loss: loss.name }
}

const { loss, program } = training()
const held = heldBy([program])
const rows = (value: (i: number) => number) => Int32Array.from({ length: batch * time }, (_, i) => value(i))
const inputs = (step: number) => ({
  tokens: rows((i) => (i * 7) % vocabulary),
  targets: rows((i) => (i * 7 + 7) % vocabulary),
  // Two documents in each row.
  starts: rows((i) => (i % time < 17 ? 0 : 17)),
  offset: Int32Array.of(0),
  learningRate: Float32Array.of(0.01),
  lossGradient: Float32Array.of(1),
  step: Int32Array.of(step)
})

/** Losses of three steps, and a matrix and the table after them. */
const trained = (engine: Engine, threads: number, precision: Precision) =>
  Effect.gen(function* () {
    const session = yield* engine.open(held, { threads, precision })
    yield* writeAll(session, initial(held))
    const prepared = yield* session.prepare(program)
    const losses: Array<number> = []
    for (let step = 1; step <= 3; step++) losses.push((yield* prepared.run(inputs(step)))[loss]![0]!)
    return {
      losses: Float32Array.from(losses),
      key: yield* session.read("key"),
      table: yield* session.read("table")
    }
  }).pipe(Effect.scoped)

const right = await Effect.runPromise(trained(reference, 1, "f32"))

for (const kernels of underTest()?.kernels ?? [])
  describe(`training of the second family on ${kernels}`, () => {
    for (const precision of ["f32", "bf16"] as const)
      it.live(`learns as reference does in ${precision}, with the same bits for any number of threads`, () =>
        Effect.gen(function* () {
          const one = yield* trained(engineFor(kernels), 1, precision)
          assert.isBelow(one.losses[2]!, one.losses[0]!)
          for (const [step, value] of one.losses.entries())
            assert.closeTo(value, right.losses[step]!, precision === "f32" ? 1e-5 : 2e-3)
          for (const threads of [2, 5]) {
            const other = yield* trained(engineFor(kernels), threads, precision)
            for (const name of ["losses", "key", "table"] as const)
              assert.isTrue(sameBits(other[name], one[name]), `${name} with ${threads} threads`)
          }
        })
      )
  })
