import { assert, describe, it } from "@effect/vitest"
import { accumulatePrograms, tiny, trainProgram } from "../../src/contract/tinyGpt.ts"
import { make } from "../../src/program/Builder.ts"
import { differentiate } from "../../src/program/differentiate.ts"
import { optimize, update } from "../../src/program/optimize.ts"
import { verify } from "../../src/program/verify.ts"

describe("differentiate", () => {
  it("adds up a transformer's residual gradient in place, without a single add", () => {
    const backward = trainProgram(tiny).steps.slice(
      trainProgram(tiny).steps.findIndex((step) => step.operation === "projectionLossBackward")
    )
    assert.isEmpty(backward.filter((step) => step.operation === "add"))
    const into = backward
      .filter((step) => step.operation === "layerNormBackward")
      .slice(1)
      .map((step) => step.accumulate)
    assert.isTrue(into.every((names) => names.length === 1))
  })

  it("adds out of place while another tensor still shares the gradient", () => {
    const b = make("shared")
    const x = b.parameter("x", [2, 3])
    const h = b.gelu(x, "h")
    const g = b.gelu(h, "g")
    // The sum hands one gradient to both h and g; what flows back through g must not change it under h's feet.
    const { loss } = b.projectionLoss(b.add(h, g), {
      table: b.parameter("table", [4, 3]),
      targets: b.input("targets", [2], "i32")
    })
    const { program } = differentiate(b.build([loss]), loss.name)
    const last = program.steps.at(-1)!
    assert.strictEqual(last.operation, "geluBackward")
    assert.isUndefined(verify(program))
  })

  it("leaves out what the loss does not depend on", () => {
    const b = make("partial")
    const x = b.input("x", [2, 3])
    b.linear(x, { weight: b.parameter("unused", [3, 3]) })
    const y = b.linear(x, { weight: b.parameter("weight", [3, 3]) })
    const { loss } = b.projectionLoss(y, {
      table: b.input("table", [4, 3]),
      targets: b.input("targets", [2], "i32")
    })
    const { gradients, program } = differentiate(b.build([loss]), loss.name)
    assert.deepStrictEqual(Object.keys(gradients), ["weight"])
    const backward = program.steps.slice(3)
    assert.deepStrictEqual(
      backward.map((step) => [step.operation, ...step.outputs]),
      [
        ["projectionLossBackward", "linear.2.y.gradient", ""],
        ["linearBackwardWeight", "weight.gradient", ""]
      ]
    )
  })

  it("keeps gradients in the session for accumulation over batches", () => {
    const { first, more, update } = accumulatePrograms(tiny)
    assert.isEmpty(first.steps.filter((step) => step.accumulate.includes("h.0.attn.c_attn.weight.gradient")))
    assert.lengthOf(
      more.steps.filter((step) => step.accumulate.includes("h.0.attn.c_attn.weight.gradient")),
      1
    )
    assert.strictEqual(more.tensors["wte.gradient"]!.role, "state")
    assert.isTrue(update.steps.every((step) => ["gradientNorm", "adamW"].includes(step.operation)))
  })

  it("refuses what has no gradient, in words", () => {
    const b = make("no-gradient")
    const qkv = b.parameter("qkv", [1, 1, 3])
    const cache = { keys: b.state("keys", [1, 2, 1]), values: b.state("values", [1, 2, 1]) }
    const y = b.attentionCached(qkv, { ...cache, offset: b.input("offset", [1], "i32"), heads: 1 })
    const program = b.build([y])
    assert.throws(() => differentiate(program, y.name), /attentionCached has no gradient/)
    assert.throws(() => differentiate(program, "nothing"), /loss nothing must be one of its tensors/)
    const constant = make("constant")
    const { loss } = constant.projectionLoss(constant.input("x", [2, 3]), {
      table: constant.input("table", [4, 3]),
      targets: constant.input("targets", [2], "i32")
    })
    assert.throws(() => differentiate(constant.build([loss]), loss.name), /depends on no parameter/)
  })
})

describe("optimize", () => {
  it("decays matrices alone", () => {
    const decay = Object.fromEntries(
      trainProgram(tiny)
        .steps.filter((step) => step.operation === "adamW")
        .map((step) => [step.inputs[0]!, step.attributes.weightDecay])
    )
    assert.strictEqual(decay.wte, 0.1)
    assert.strictEqual(decay["h.0.mlp.c_fc.weight"], 0.1)
    assert.strictEqual(decay["h.0.mlp.c_fc.bias"], 0)
    assert.strictEqual(decay["ln_f.weight"], 0)
  })

  it("clips at the norm that it is told", () => {
    const b = make("clip")
    const { loss } = b.projectionLoss(b.input("x", [2, 3]), {
      table: b.parameter("table", [4, 3]),
      targets: b.input("targets", [2], "i32")
    })
    const gradients = differentiate(b.build([loss]), loss.name, { gradients: "state" })
    for (const program of [
      optimize(gradients, { maximumNorm: 0.5 }),
      update(gradients, { maximumNorm: 0.5 })
    ])
      assert.strictEqual(
        program.steps.find((step) => step.operation === "gradientNorm")!.attributes.maximum,
        0.5
      )
  })
})
