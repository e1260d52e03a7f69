/** Products of one to 33 rows with a weight that stays, as in generation: up to 32 have kernels of their own. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { difference, sameBits } from "../../src/contract/compare.ts"
import { Draft } from "../../src/contract/Draft.ts"
import { judge, runCases } from "../../src/contract/running.ts"
import { engineFor, paths } from "./paths.ts"

/** A linear layer and what is joined to it; odd widths, more than one block along k. */
const linearCase = (rows: number, k: number, n: number) => {
  const d = new Draft("linear", rows)
  const x = d.floats("x", [rows, k])
  const weight = d.held(`weight ${rows} ${k}`, [n, k])
  const bias = d.floats("bias", [n])
  const y = d.step("linear", [x, weight, bias])[0]!
  if (rows % 2 === 0) d.step("gelu", [y])
  else d.step("add", [y, d.floats("residual", [rows, n])])
  return d.done()
}
const cases = [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 32, 33].flatMap((rows) => [
  linearCase(rows, 37, 150),
  linearCase(rows, 601, 33)
])

describe.each(paths)("products of few rows on %s", async (kernels) => {
  const engine = engineFor(kernels)
  const here = await Effect.runPromise(engine.availability)
  for (const precision of ["f32", "bf16"] as const)
    it.live.skipIf(!here.available)(
      `agree with reference in ${precision}, to the same bits for any number of threads`,
      () =>
        Effect.gen(function* () {
          const right = yield* judge(cases)
          const [one, three] = yield* Effect.all(
            [1, 3].map((threads) => runCases(engine, { threads, precision }, cases))
          )
          for (const [index, expected] of right.entries())
            for (const [name, values] of Object.entries(expected)) {
              const mine = one![index]![name]!
              assert.isTrue(sameBits(mine, three![index]![name]!), `${name} with 3 threads`)
              assert.isUndefined(difference(name, mine, values, precision === "f32" ? 3e-5 : 4e-2))
            }
        })
    )
})
