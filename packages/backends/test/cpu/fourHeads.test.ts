/** Cached attention that takes four heads together: the same as reference, and each head for itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { difference, sameBits } from "../../src/contract/compare.ts"
import { type Case, Draft } from "../../src/contract/Draft.ts"
import { renamed } from "../../src/contract/operationSuite.ts"
import { judge, runCases } from "../../src/contract/running.ts"
import { make } from "../../src/cpu/engine.ts"

const attention = (heads: number, size: number, batch: number, time: number): Case => {
  const d = new Draft("attentionCached", heads + size + batch + time)
  const cache = [batch + 1, 13 + time, heads * size]
  const offsets = Int32Array.from({ length: batch }, (_, text) => 12 - 3 * text)
  const slots = Int32Array.from({ length: batch }, (_, text) => batch - text)
  d.step(
    "attentionCached",
    [
      d.floats("qkv", [batch, time, 3 * heads * size], 2),
      d.held("keys", cache),
      d.held("values", cache),
      d.given("offset", [batch], offsets),
      d.given("slots", [batch], slots)
    ],
    { heads }
  )
  return d.done()
}

const grouped = (groups: number, each: number, size: number, batch: number, time: number): Case => {
  const d = new Draft("groupedAttentionCached", groups + each + size)
  const cache = [batch, 13 + time, groups * size]
  d.step(
    "groupedAttentionCached",
    [
      d.floats("query", [batch, time, groups * each * size], 2),
      d.floats("key", [batch, time, groups * size], 2),
      d.floats("value", [batch, time, groups * size], 2),
      d.held("keys", cache),
      d.held("values", cache),
      d.given("offset", [1], Int32Array.of(10)),
      undefined
    ],
    { heads: groups * each, groups }
  )
  return d.done()
}

const cases = [
  attention(4, 4, 1, 1),
  attention(8, 32, 3, 1),
  attention(12, 20, 2, 5),
  attention(4, 6, 2, 1),
  grouped(4, 1, 8, 2, 1),
  grouped(8, 1, 12, 1, 3),
  grouped(2, 4, 8, 2, 1),
  grouped(1, 8, 20, 3, 4),
  grouped(3, 4, 5, 2, 1)
].map((one, index) => renamed(one, `${index}.`))

describe.each(["relaxed", "simd"] as const)("cached attention with the binary %s", (binary) => {
  const engine = make({ binary })
  it.live("of four heads together is as reference has it, to the same bits with any number of threads", () =>
    Effect.gen(function* () {
      const right = yield* judge(cases)
      const [one, three] = [
        yield* runCases(engine, { threads: 1, precision: "f32" }, cases),
        yield* runCases(engine, { threads: 3, precision: "f32" }, cases)
      ]
      for (const [index, expected] of right.entries())
        for (const [name, values] of Object.entries(expected)) {
          assert.isUndefined(difference(name, one[index]![name]!, values, 3e-5), `case ${index}`)
          assert.isTrue(sameBits(one[index]![name]!, three[index]![name]!), `case ${index}, ${name}`)
        }
    })
  )

  it.live("keeps what is no number to the head that it is in", () =>
    Effect.gen(function* () {
      const one = attention(4, 8, 1, 1)
      const keys = Object.keys(one.session).find((name) => name.startsWith("keys"))!
      const broken = one.session[keys]!.slice()
      // Row 2 of slot 1, the third head.
      broken[(14 + 2) * 32 + 17] = Number.NaN
      const [outputs] = yield* runCases(engine, { threads: 1, precision: "f32" }, [
        { ...one, session: { ...one.session, [keys]: broken } }
      ])
      const y = outputs![one.program.outputs[0]!]!
      for (const [index, value] of y.entries())
        assert.strictEqual(Number.isNaN(value), index >= 16 && index < 24, `${index}`)
    })
  )
})
