/** Every operation, forward and backward, on generated shapes, against reference. */

import { Effect } from "effect"
import { expandFor } from "../program/expand.ts"
import type { Operation } from "../program/Operation.ts"
import { type OperationName, operationNamed, operations } from "../program/operations.ts"
import type { Program } from "../program/Program.ts"
import * as assert from "./assertions.ts"
import { cases } from "./cases.ts"
import { difference } from "./compare.ts"
import { type Case, Draft } from "./Draft.ts"
import { exampleCase, withExamples } from "./exampleCases.ts"
import * as gen from "./generate.ts"
import { primitiveCases } from "./primitiveCases.ts"
import { judge, runCases } from "./running.ts"
import type { Contract } from "./SuiteInput.ts"

/** The same case with every session tensor renamed, so that many cases fit one session. */
export const renamed = (one: Case, prefix: string): Case => {
  const rename = (name: string) => (Object.hasOwn(one.session, name) ? prefix + name : name)
  const program: Program = {
    ...one.program,
    tensors: Object.fromEntries(
      Object.values(one.program.tensors).map((tensor) => [
        rename(tensor.name),
        { ...tensor, name: rename(tensor.name) }
      ])
    ),
    steps: one.program.steps.map((step) => ({
      ...step,
      inputs: step.inputs.map(rename),
      outputs: step.outputs.map(rename),
      accumulate: step.accumulate.map(rename)
    }))
  }
  return {
    program,
    inputs: one.inputs,
    session: Object.fromEntries(Object.entries(one.session).map(([name, values]) => [rename(name), values]))
  }
}

/** What a failing case looked like. */
const describeCase = (program: Program): string =>
  program.steps
    .map((step) => {
      const show = (name: string) =>
        name === ""
          ? "-"
          : `${name} [${program.tensors[name]?.shape}]${step.accumulate.includes(name) ? "+" : ""}`
      return `${step.operation}(${step.inputs.map(show).join(", ")}) ${JSON.stringify(step.attributes)} = ${step.outputs.map(show).join(", ")}`
    })
    .join("; ")

/** The same case with an operation expanded into primitives; what it gives is compared with what the operation gives on reference. */
const withoutKernel = (one: Case, operation: OperationName): Case & { readonly original: Program } => ({
  ...one,
  original: one.program,
  program: expandFor(one.program, new Set(Object.keys(operations).filter((name) => name !== operation)))
})

/** Runs the cases on the engine and on reference; gives the first difference. `question` names what reference is asked. */
const check = Effect.fnUntraced(function* (
  contract: Contract,
  question: string,
  all: ReadonlyArray<Case & { readonly original?: Program }>
) {
  const mine = yield* runCases(contract.engine, contract.settings, all)
  const asked = all.map((one) => ({ ...one, program: one.original ?? one.program }))
  const right = yield* contract.answers.cases(question, judge(asked))
  for (const [index, { program }] of all.entries()) {
    const inPrecision = program.steps.some((step) => operationNamed(step.operation)?.inPrecision)
    for (const [name, expected] of Object.entries(right[index]!)) {
      // Which of two nearly equal logits is larger is not float32's to say in another precision.
      if (name.endsWith(".correct") && contract.settings.precision !== "f32") continue
      const wrong = difference(
        name,
        mine[index]![name] ?? new Float32Array(0),
        expected,
        inPrecision ? contract.tolerance : contract.exactTolerance
      )
      assert.isUndefined(wrong, `${wrong} in ${describeCase(program)}`)
    }
  }
})

/** Cases of every operation, by name. */
export const casesOf = (operation: OperationName, count: number): ReadonlyArray<Case> => {
  const generator = cases[operation]
  const all =
    generator === undefined
      ? Array.from({ length: count }, (_, index) => exampleCase(operation, 4000 + index))
      : gen.sample(generator, { count, seed: 2024 })
  return all.map((one, index) => renamed(one, `${index}/`))
}

/** Operations that are not primitives. */
export const testedOperations: ReadonlyArray<OperationName> = [
  ...(Object.keys(cases) as ReadonlyArray<OperationName>),
  ...withExamples
]

/** Every operation against reference, and against its own expansion on the same engine. */
const generated = (contract: Contract): void => {
  const { it } = contract
  const question = (name: string) => `${name}, ${contract.cases} cases`
  for (const operation of testedOperations)
    it.live(`${operation} agrees with reference`, () =>
      check(contract, question(operation), casesOf(operation, contract.cases))
    )
  const fused = contract.engine.fused ?? Object.keys(operations)
  for (const operation of testedOperations) {
    const rule: Operation = operations[operation]
    if (rule.expand === undefined || !fused.includes(operation)) continue
    it.live(`${operation} agrees with its own expansion`, () =>
      check(
        contract,
        question(operation),
        casesOf(operation, contract.cases).map((one) => withoutKernel(one, operation))
      )
    )
  }
  for (const [primitive, generate] of Object.entries(primitiveCases))
    it.live(`the primitive ${primitive} agrees with reference`, () =>
      check(
        contract,
        question(`the primitive ${primitive}`),
        Array.from({ length: 4 * contract.cases }, (_, index) => renamed(generate(3000 + index), `${index}/`))
      )
    )
}

/** Sizes that no generated case has. */
const large = (contract: Contract): void => {
  const { it } = contract
  it.live("an operation beyond every tile agrees with reference", () => {
    const linear = new Draft("linear", 1)
    linear.step("linear", [linear.floats("x", [300, 515]), linear.floats("weight", [389, 515]), undefined])
    const weight = new Draft("linearBackwardWeight", 2)
    weight.step("linearBackwardWeight", [
      weight.floats("dy", [2, 300, 389]),
      weight.floats("x", [2, 300, 260])
    ])
    const attention = new Draft("attention", 3)
    const qkv = attention.floats("qkv", [1, 150, 3 * 2 * 72], 2)
    const [y, logSumExp] = attention.builder.step("attention", [qkv], { heads: 2 })
    attention.step("attentionBackward", [attention.floats("dy", y!.shape), qkv, y!, logSumExp!], {
      heads: 2
    })
    const loss = new Draft("projectionLoss", 4)
    const x = loss.floats("x", [70, 72])
    const table = loss.floats("table", [1100, 72])
    const targets = loss.integers("targets", [70], 1100)
    const sums = loss.builder.step("projectionLoss", [x, table, targets])[3]!
    loss.step("projectionLossBackward", [loss.floats("dLoss", [1]), x, table, targets, sums])
    return check(contract, "beyond every tile", [linear.done(), weight.done(), attention.done(), loss.done()])
  })

  it.live(
    "both gradients of a layer are taken together, and one after the other where one needs the other",
    () => {
      const together = new Draft("linearBackwardWeight", 10)
      const dy = together.floats("dy", [31, 40])
      const weight = together.floats("weight", [40, 23])
      together.step("linearBackwardWeight", [dy, together.floats("x", [31, 23])], {}, ["replace", "add"])
      together.step("linearBackwardInput", [dy, weight], {}, ["add"])
      const after = new Draft("linearBackwardWeight", 11)
      const again = after.floats("dy", [13, 9])
      const [made] = after.step("linearBackwardWeight", [again, after.floats("x", [13, 17])], {}, ["replace"])
      after.step("linearBackwardInput", [again, made!])
      return check(
        contract,
        "both gradients of a layer",
        [together.done(), after.done()].map((one, index) => renamed(one, `${index}/`))
      )
    }
  )

  it.live("large logits do not overflow", () => {
    const d = new Draft("projectionLoss", 7)
    const x = d.floats("x", [6, 8], 60)
    const table = d.floats("table", [20, 8], 60)
    const targets = d.integers("targets", [6], 20)
    const sums = d.step("projectionLoss", [x, table, targets])[3]!
    d.step("projectionLossBackward", [d.floats("dLoss", [1]), x, table, targets, sums])
    const a = new Draft("attention", 8)
    a.step("attention", [a.floats("qkv", [1, 6, 24], 60)], { heads: 2 })
    return contract.settings.precision === "f32"
      ? check({ ...contract, tolerance: contract.tolerance * 100 }, "large logits", [d.done(), a.done()])
      : Effect.asVoid(runCases(contract.engine, contract.settings, [d.done(), a.done()]))
  })
}

/** The rules of the loss. */
const loss = (contract: Contract): void => {
  const { it } = contract
  it.live("projectionLoss counts a tie as correct and ignores a target of -1", () =>
    Effect.gen(function* () {
      const d = new Draft("projectionLoss", 5)
      const row = Float32Array.of(0.5, -0.25, 1)
      const table = Float32Array.from({ length: 15 }, (_, i) => row[i % 3]!)
      const x = d.floats("x", [4, 3])
      d.step("projectionLoss", [
        x,
        d.given("table", [5, 3], table),
        d.given("targets", [4], Int32Array.of(0, 4, -1, 2))
      ])
      const [out] = yield* runCases(contract.engine, contract.settings, [d.done()])
      assert.deepStrictEqual([...out!["projectionLoss.correct"]!], [1, 1, 0, 1])
      assert.closeTo(out!["projectionLoss.loss"]![0]!, Math.log(5), 1e-5)
      assert.strictEqual(out!["projectionLoss.losses"]![2], 0)
    })
  )

  it.live("projectionLoss of ignored targets alone is zero, and so is its gradient", () =>
    Effect.gen(function* () {
      const d = new Draft("projectionLoss", 6)
      const x = d.floats("x", [4, 3])
      const table = d.floats("table", [5, 3])
      const targets = d.given("targets", [4], new Int32Array(4).fill(-1))
      const sums = d.step("projectionLoss", [x, table, targets])[3]!
      d.step("projectionLossBackward", [d.floats("dLoss", [1]), x, table, targets, sums])
      const [out] = yield* runCases(contract.engine, contract.settings, [d.done()])
      assert.strictEqual(out!["projectionLoss.loss"]![0], 0)
      for (const name of ["dx", "dTable"])
        assert.isTrue(out![`projectionLossBackward.${name}`]!.every((value) => value === 0))
    })
  )
}

/** The rules of the update. */
const updates = (contract: Contract): void => {
  const { it } = contract
  it.live("gradientNorm says NaN for gradients that are not finite, and adamW then changes nothing", () =>
    Effect.gen(function* () {
      const d = new Draft("gradientNorm", 9)
      const gradient = d.given("gradient", [2, 2], Float32Array.of(1, Infinity, 2, 3))
      const parameter = d.held("parameter", [2, 2])
      const moments = [d.held("m", [2, 2]), d.held("v", [2, 2], "positive")]
      const [, scale] = d.step("gradientNorm", [gradient], { maximum: 1 })
      const rate = d.given("learningRate", [1], Float32Array.of(0.1))
      const step = d.given("step", [1], Int32Array.of(1))
      d.step("adamW", [parameter, gradient, moments[0], moments[1], scale!, rate, step], {
        beta1: 0.9,
        beta2: 0.95,
        epsilon: 1e-8,
        weightDecay: 0.1
      })
      const one = d.done()
      const [out] = yield* runCases(contract.engine, contract.settings, [one])
      assert.isNaN(out!["gradientNorm.scale"]![0])
      for (const [name, values] of Object.entries(one.session))
        assert.deepStrictEqual([...out![name]!], [...values], name)
    })
  )

  it.live("adamW leaves a parameter that never had a gradient as it is, however small its epsilon", () =>
    Effect.gen(function* () {
      const d = new Draft("adamW", 12)
      const parameter = d.held("parameter", [2, 2])
      const moments = ["m", "v"].map((name) => d.builder.state(name, [2, 2]))
      d.step(
        "adamW",
        [
          parameter,
          d.given("gradient", [2, 2], new Float32Array(4)),
          ...moments,
          d.given("scale", [1], Float32Array.of(1)),
          d.given("learningRate", [1], Float32Array.of(0.1)),
          d.given("step", [1], Int32Array.of(1))
        ],
        { beta1: 0.9, beta2: 0.95, epsilon: 1e-40, weightDecay: 0 }
      )
      const one = d.done()
      const [out] = yield* runCases(contract.engine, contract.settings, [one])
      assert.deepStrictEqual([...out!.parameter!], [...one.session.parameter!])
    })
  )
}

export const operationSuite = (contract: Contract): void => {
  contract.describe("operations", () => {
    generated(contract)
    large(contract)
    loss(contract)
    updates(contract)
  })
}
