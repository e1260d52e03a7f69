/** Descriptions of primitives that lie: the addon refuses them. */
import { assert, describe, it } from "@effect/vitest"
import { underTest } from "./oneStep.ts"

const tested = underTest()
if (tested !== undefined) {
  const { addon } = tested
  describe("descriptions of primitives that lie", () => {
    const portable = addon.paths().findIndex(({ name }) => name === "portable")
    const session = addon.open({ path: portable, bf16: false, threads: 1, sizes: [12] })
    const prepare = (
      operation: string,
      primitive: ReadonlyArray<number>,
      inputs: ReadonlyArray<number> = [0]
    ) =>
      addon.prepare(session, {
        tensors: [
          { shape: [12], held: -1, offset: 0 },
          { shape: [12], held: 0, offset: -1 }
        ],
        steps: [
          {
            operation,
            inputs,
            outputs: [1],
            attributes: {},
            primitive: Float64Array.from(primitive),
            accumulate: 0
          }
        ],
        bytes: 64
      })
    /** A map over [3, 4] of an input and an output, with one number replaced. */
    const right = [2, 3, 4, 0, 0, 0, 2, ...[0, 0, 0, 4, 1, 0, 0, 3, 4], ...[0, -1, 0, 4, 1, 0, 0, 3, 4]]
    const formula = [1, 2.5, 3, -1, 0, -2, 0, 0, 0]

    it("the right one is taken", () => {
      prepare("map", [...right, ...formula])
    })
    it("every number that is changed is refused or stays inside", () => {
      const whole = [...right, ...formula]
      for (const value of [-1, 5, 13, 1.5, 2 ** 60, Number.NaN, Number.POSITIVE_INFINITY])
        for (let at = 0; at < whole.length; at++) {
          const operation = at % 2 === 0 ? "map" : "reduce"
          try {
            prepare(operation, whole.with(at, value))
          } catch (error) {
            assert.instanceOf(error, Error)
            assert.match((error as Error).message, /description/)
          }
        }
    })
    const refused = (
      name: string,
      description: ReadonlyArray<number>,
      why: RegExp,
      inputs?: ReadonlyArray<number>
    ) => it(name, () => assert.throws(() => prepare("map", description, inputs), why))
    refused("a view that leaves its tensor", [...right.with(10, 5), ...formula], /leaves its tensor/)
    refused("an output that leaves its tensor", [...right.with(18, 1), ...formula], /leaves its tensor/)
    refused("an input that is not there", [...right, ...formula], /input that is not there/, [-1])
    refused("a formula without arguments", [...right, 0, 1, 0, 0], /without arguments/)
    refused("a formula with two results", [...right, 0, 2, -1, 0, -1, 0], /one result/)
    refused("too few numbers", right, /too early/)
    refused("too many numbers", [...right, ...formula, 0], /too long/)
    it("a product without what is added to it, or with too few factors", () => {
      const view = (input: number, strides: ReadonlyArray<number>) => [
        0,
        input,
        0,
        ...strides,
        0,
        0,
        0,
        2,
        2,
        3
      ]
      const views = [...view(0, [3, 0, 1]), ...view(0, [0, 3, 1]), ...view(-1, [2, 1, 0])]
      const product = [3, 2, 2, 3, 0, 0, 0, 3, ...views]
      prepare("product", [...product, 0], [0, 0])
      prepare("product", [...product, 2, 1, -2], [0, 0, 0])
      assert.throws(() => prepare("product", [...product, 2, 1, -2], [0, 0]), /without what is added/)
      assert.throws(() => prepare("product", [...product, 1, 1], [0, 0, 0]), /other than two factors/)
    })
    it("rows that do not fit their table", () =>
      assert.throws(() => prepare("gather", [], [0, 0]), /needs a table/))
  })
}
