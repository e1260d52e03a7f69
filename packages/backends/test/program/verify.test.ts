import { assert, describe, it } from "@effect/vitest"
import { tiny, trainProgram } from "../../src/contract/tinyGpt.ts"
import { make } from "../../src/program/Builder.ts"
import type { Program, Step, Tensor } from "../../src/program/Program.ts"
import { verify, wrongInputs } from "../../src/program/verify.ts"

const b = make("good")
const x = b.input("x", [2, 3])
const weight = b.parameter("weight", [4, 3])
const good = b.build([b.gelu(b.linear(x, { weight }, "up"), "out")])

const tensor = (name: string, change: Partial<Tensor>): Program => ({
  ...good,
  tensors: { ...good.tensors, [name]: { ...good.tensors[name]!, ...change } }
})
const step = (index: number, change: Partial<Step>): Program => ({
  ...good,
  steps: good.steps.map((one, at) => (at === index ? { ...one, ...change } : one))
})

const wrong: ReadonlyArray<readonly [string, Program, RegExp]> = [
  ["a name that is not the key", tensor("x", { name: "y" }), /tensor x calls itself y/],
  ["an empty shape", tensor("x", { shape: [] }), /x has shape \[\]/],
  ["a fractional side", tensor("x", { shape: [2.5, 3] }), /whole number/],
  ["an integer parameter", tensor("weight", { type: "i32" }), /weight is a parameter and must be f32/],
  ["too few inputs", step(0, { inputs: ["x", "weight"] }), /step 0 \(linear\) takes 3 inputs, is given 2/],
  ["too many outputs", step(0, { outputs: ["up.y", "out.y"] }), /gives 1 outputs, is asked for 2/],
  ["an absent input that is needed", step(0, { inputs: ["x", "", ""] }), /needs its input weight/],
  ["an unknown tensor", step(0, { inputs: ["z", "weight", ""] }), /reads z, which is not declared/],
  ["the wrong type", tensor("x", { type: "i32" }), /takes f32 as x, but x is i32/],
  [
    "a result of the wrong shape",
    tensor("up.y", { shape: [2, 5] }),
    /gives y \[2, 4\], but up\.y is \[2, 5\]/
  ],
  ["writing an input", step(1, { inputs: ["up.y"], outputs: ["x"] }), /writes x, an input/],
  ["writing a parameter", step(1, { outputs: ["weight"] }), /writes the parameter weight/],
  ["working in place where it may not", step(1, { outputs: ["up.y"] }), /reads and writes up\.y/],
  ["accumulating where it may not", step(1, { accumulate: ["out.y"] }), /cannot accumulate/],
  ["a result that nobody names", step(1, { outputs: [""] }), /writes nothing/],
  ["an unknown output", { ...good, outputs: ["z"] }, /its output z is not declared/]
]

describe("verify", () => {
  it("accepts what the builder writes", () => {
    assert.isUndefined(verify(good))
    assert.isUndefined(verify(trainProgram(tiny)))
  })

  for (const [what, program, says] of wrong)
    it(`refuses ${what}`, () => {
      assert.match(verify(program) ?? "", says)
    })

  it("refuses a second writer of an activation", () => {
    const program: Program = { ...good, steps: [...good.steps, good.steps[1]!] }
    assert.match(verify(program) ?? "", /step 2 \(gelu\) writes out\.y, which holds an earlier step's result/)
  })

  it("refuses an update in place under another name, and an attribute that is not there", () => {
    const train = trainProgram(tiny)
    const at = train.steps.findIndex((step) => step.operation === "adamW")
    const change = (part: Partial<Step>): Program => ({
      ...train,
      steps: train.steps.map((step, index) => (index === at ? { ...step, ...part } : step))
    })
    assert.match(verify(change({ outputs: ["ln_f.bias", "", ""] })) ?? "", /in place and cannot write it as/)
    assert.match(verify(change({ attributes: { beta1: 0.9 } })) ?? "", /needs its attribute beta2/)
  })
})

describe("wrongInputs", () => {
  it("names what is missing, unknown, or of the wrong size", () => {
    assert.isUndefined(wrongInputs(good, { x: new Float32Array(6) }))
    assert.match(wrongInputs(good, {}) ?? "", /the input x \[2, 3\] is not given/)
    assert.match(wrongInputs(good, { x: new Float32Array(5) }) ?? "", /has 6 elements, 5 are given/)
    assert.match(
      wrongInputs(good, { x: new Float32Array(6), y: new Float32Array(1) }) ?? "",
      /there is no input y; it takes x/
    )
  })
})
