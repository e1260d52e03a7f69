/** The main thread goes on while workers start, and the memory that they share grows meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { difference } from "../../src/contract/compare.ts"
import { Draft } from "../../src/contract/Draft.ts"
import { judge } from "../../src/contract/running.ts"
import { make } from "../../src/cpu/engine.ts"

/** So much that a worker takes about a tenth of a second to receive it. */
const workerData = Array.from({ length: 120_000 }, (_, index) => ({ index }))

/** A kernel that begins with `memory.fill`, which looks at the length that its thread believes the memory to have. */
const filling = (seed: number) => {
  const d = new Draft("layerNormBackward", seed)
  const x = d.floats("x", [500, 64])
  const gain = d.floats("gain", [64])
  const [, mean, rstd] = d.builder.step("layerNorm", [x, gain, undefined], { epsilon: 0.1 })
  d.step("layerNormBackward", [d.floats("dy", x.shape), x, gain, mean!, rstd!])
  return d.done()
}

describe("starting", () => {
  for (const binary of ["relaxed", "simd"] as const)
    it.live(`a worker of the ${binary} binary sees memory that grew while it started`, () =>
      Effect.gen(function* () {
        const session = yield* make({ workerData, binary, workersOnly: true }).open([], {
          threads: 1,
          precision: "f32"
        })
        const last = filling(7)
        for (let seed = 1; seed <= 6; seed++) {
          yield* session.prepare(filling(seed).program)
          yield* Effect.sleep(10)
        }
        const outputs = yield* (yield* session.prepare(last.program)).run(last.inputs)
        const [right] = yield* judge([last])
        for (const [name, values] of Object.entries(right!))
          assert.isUndefined(difference(name, outputs[name]!, values, 3e-5))
      }).pipe(Effect.scoped)
    )
})
