/** Which neighbouring steps become one; that results stay the same is checked by the contract suite's training. */
import { assert, describe, it } from "@effect/vitest"
import { fuse } from "../../src/native/fuse.ts"
import { type Builder, make } from "../../src/program/Builder.ts"
import type { Tensor } from "../../src/program/Program.ts"

/** Steps of a program after fusion: operation, inputs and outputs. */
const fused = (write: (b: Builder, x: Tensor, weight: Tensor) => ReadonlyArray<Tensor | null>) => {
  const builder = make("case")
  const outputs = write(builder, builder.input("x", [8, 16]), builder.parameter("weight", [16, 16]))
  return fuse(builder.build(outputs.filter((tensor) => tensor !== null))).steps
}

describe("fusion of a layer without bias", () => {
  it("takes the residual sum that follows, whichever side it is on", () => {
    for (const turns of [false, true]) {
      const steps = fused((b, x, weight) => {
        const [y] = b.step("linear", [x, weight, undefined])
        return b.step("add", turns ? [x, y!] : [y!, x])
      })
      assert.deepStrictEqual(
        steps.map(({ inputs, operation }) => [operation, ...inputs]),
        [["linear", "x", "weight", "", "x"]]
      )
    }
  })
  it("leaves a sum apart whose layer others read", () => {
    const steps = fused((b, x, weight) => {
      const [y] = b.step("linear", [x, weight, undefined])
      const [sum] = b.step("add", [y!, x])
      return [sum!, y!]
    })
    assert.deepStrictEqual(
      steps.map(({ operation }) => operation),
      ["linear", "add"]
    )
  })
})
