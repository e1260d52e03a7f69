/** The loss over several chunks of rows and blocks of the vocabulary, which the contract's small shapes do not reach. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { difference, sameBits } from "../../src/contract/compare.ts"
import { Draft } from "../../src/contract/Draft.ts"
import { judge, runCases } from "../../src/contract/running.ts"
import { engineFor, paths } from "./paths.ts"

/**
 * Loss and gradients, neighbours (computed in one pass) or apart; 530 rows and tokens are two whole blocks and a part, and a width of 600 is two
 * blocks and a part, in pairs of bf16 one and a part.
 */
const lossCase = (apart: boolean, rows = 530, tokens = 530, width = 40) => {
  const d = new Draft("projectionLoss", 11)
  const x = d.floats("x", [rows, width])
  const table = d.floats("table", [tokens, width])
  const targets = d.integers("targets", [rows], tokens, -1)
  const logSumExp = d.step("projectionLoss", [x, table, targets])[3]!
  const dLoss = d.floats("dLoss", [1])
  if (apart) d.step("gelu", [x])
  d.step("projectionLossBackward", [dLoss, x, table, targets, logSumExp])
  return d.done()
}
const cases = [lossCase(false), lossCase(true), lossCase(false, 37, 301, 600), lossCase(true, 37, 301, 600)]

describe.each(paths)("the loss of large shapes on %s", async (kernels) => {
  const engine = engineFor(kernels)
  const here = await Effect.runPromise(engine.availability)
  for (const precision of ["f32", "bf16"] as const)
    it.live.skipIf(!here.available)(
      `agrees with reference in ${precision}, to the same bits for any number of threads`,
      () =>
        Effect.gen(function* () {
          const right = yield* judge(cases)
          const [one, two, five] = yield* Effect.all(
            [1, 2, 5].map((threads) => runCases(engine, { threads, precision }, cases))
          )
          for (const [index, expected] of right.entries())
            for (const [name, values] of Object.entries(expected)) {
              const mine = one![index]![name]!
              assert.isTrue(sameBits(mine, two![index]![name]!), `${name} with 2 threads`)
              assert.isTrue(sameBits(mine, five![index]![name]!), `${name} with 5 threads`)
              if (name.endsWith(".correct") && precision === "bf16") continue
              assert.isUndefined(difference(name, mine, values, precision === "f32" ? 3e-5 : 4e-2))
            }
        })
    )
})
