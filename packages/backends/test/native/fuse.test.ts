/** Which neighbouring steps become one; that results stay the same is checked by the contract suite's training. */
import { assert, describe, it } from "@effect/vitest"
import { fuse } from "../../src/native/fuse.ts"
import { type Builder, make } from "../../src/program/Builder.ts"
import { muon } from "../../src/program/optimizers/muon.ts"
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

describe("fusion of a product with the formula after it", () => {
  /** Steps of Muon's update of one matrix, after fusion. */
  const steps = (rows: number, columns: number) => {
    const b = make("muon")
    const given = (name: string, shape: ReadonlyArray<number>) => b.input(name, shape)
    muon().append({
      builder: b,
      parameter: b.parameter("w", [rows, columns]),
      gradient: given("g", [rows, columns]),
      scale: given("scale", [1]),
      learningRate: given("learningRate", [1]),
      step: b.input("step", [1], "i32")
    })
    return fuse(b.build([])).steps
  }

  it("takes both of Newton-Schulz's sums into their products", () => {
    const products = steps(16, 24).filter(({ operation }) => operation === "product")
    assert.strictEqual(products.length, 15)
    const blends = products.flatMap((step) => (step.inputs.length === 3 ? [step.attributes.blend] : []))
    assert.deepStrictEqual(blends.slice(0, 2), [
      [2.0315, -4.775],
      [1, 3.4445]
    ])
    assert.strictEqual(blends.length, 10)
  })

  it("leaves a sum apart that is not symmetric where the product is, and formulas that are no sums", () => {
    const fused = (formula: string, isSquare: boolean) => {
      const b = make("case")
      const e = b.expander("case")
      const [x, y] = [e.array(b.input("x", [8, 8]).name), e.array(b.input("y", [8, 8]).name)]
      const product = e.product(x, isSquare ? x : y)
      const out = b.state("out", [8, 8])
      e.write(e.array(out.name), formula, { product, y })
      return fuse(b.build([])).steps.map(({ operation }) => operation)
    }
    assert.deepStrictEqual(fused("2 * product - y", false), ["product"])
    assert.deepStrictEqual(fused("2 * product - y", true), ["product", "map"])
    assert.deepStrictEqual(fused("product * y", false), ["product", "map"])
    assert.deepStrictEqual(fused("product + y + 1", false), ["product", "map"])
  })
})
