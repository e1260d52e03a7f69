import { assert, describe, it } from "@effect/vitest"
import { extend, make } from "../../src/program/Builder.ts"

describe("Builder", () => {
  it("names activations after where they are", () => {
    const b = make("names")
    const block = b.within("h.0")
    const x = b.input("x", [2, 4])
    const weight = block.parameter("mlp.weight", [4, 4])
    const first = block.linear(x, { weight }, "mlp")
    const second = block.linear(first, { weight })
    const third = block.linear(second, { weight })
    assert.deepStrictEqual(
      [weight, first, second, third].map((tensor) => tensor.name),
      ["h.0.mlp.weight", "h.0.mlp.y", "h.0.linear.y", "h.0.linear.2.y"]
    )
    assert.deepStrictEqual(b.build([third]).outputs, ["h.0.linear.2.y"])
  })

  it("says which step does not fit, and why", () => {
    const b = make("wrong")
    const x = b.input("x", [2, 4])
    assert.throws(
      () => b.linear(x, { weight: b.parameter("weight", [3, 5]) }, "mlp"),
      /Program wrong cannot be built: mlp \(linear\): weight must be \[O, 4\], is \[3, 5\]/
    )
    assert.throws(() => b.parameter("x", [2, 4]), /x is declared twice/)
    assert.throws(() => make("other").gelu(x), /reads x, which this program does not declare/)
  })

  it("extends a program and leaves the original alone", () => {
    const b = make("base")
    const y = b.gelu(b.input("x", [3]))
    const base = b.build([y])
    const more = extend(base, "more")
    const longer = more.build([more.gelu(more.tensor(y.name))])
    assert.strictEqual(base.steps.length, 1)
    assert.strictEqual(longer.steps.length, 2)
    assert.strictEqual(longer.name, "more")
  })

  it("is plain data that survives a clone", () => {
    const b = make("data")
    const program = b.build([b.gelu(b.input("x", [3]))])
    assert.deepStrictEqual(structuredClone(program), program)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(program)), program)
  })
})
