/** What an engine refuses, and how it says so. */

import { Effect } from "effect"
import type { Inputs } from "../Backend.ts"
import type { Program, Tensor } from "../program/Program.ts"
import * as assert from "./assertions.ts"
import { writeAll } from "./running.ts"
import type { Contract } from "./SuiteInput.ts"
import { evaluateProgram, heldBy, initial, lossName, tiny, trainInputs, trainProgram } from "./tinyGpt.ts"

const program = evaluateProgram(tiny)
const tensors = heldBy([program])
const { targets, tokens, offset } = trainInputs(tiny, 1) as Readonly<Record<string, Int32Array>>
const good: Inputs = { tokens: tokens!, targets: targets!, offset: offset! }

const broken: Readonly<Record<string, { program: Program; says: RegExp }>> = {
  "an unknown operation": {
    program: { ...program, steps: [{ ...program.steps[0]!, operation: "convolve" }] },
    says: /convolve/
  },
  "a step that reads what nothing wrote": {
    program: { ...program, steps: program.steps.slice(1) },
    says: /embedding\.y before anything wrote it/
  },
  "an output that nothing writes": {
    program: { ...program, steps: program.steps.slice(0, -1) },
    says: /nothing writes its output/
  },
  "shapes that do not fit": {
    program: {
      ...program,
      tensors: { ...program.tensors, wte: { ...program.tensors.wte!, shape: [tiny.vocabulary, 5] } }
    },
    says: /width/
  },
  "a tensor that the session does not hold": {
    program: trainProgram(tiny),
    says: /holds no state/
  }
}

/** A session with the initial parameters. */
const opened = ({ engine, settings }: Contract) =>
  Effect.gen(function* () {
    const session = yield* engine.open(tensors, settings)
    yield* writeAll(session, initial(tensors))
    return session
  })

/** Programs that are not valid. */
const programs = (contract: Contract): void => {
  const { it } = contract
  const open = opened(contract)
  for (const [what, { program, says }] of Object.entries(broken))
    it.live(`prepare refuses ${what}`, () =>
      Effect.gen(function* () {
        const session = yield* open
        const error = yield* Effect.flip(session.prepare(program))
        assert.strictEqual(error._tag, "ProgramRejected")
        assert.match(error.message, says)
      })
    )
}

/** Inputs that do not fit. */
const inputs = (contract: Contract): void => {
  const { it } = contract
  const open = opened(contract)
  const wrong: ReadonlyArray<readonly [string, Inputs, RegExp]> = [
    ["an input that is absent", { tokens: good.tokens!, targets: good.targets! }, /offset/],
    ["an input of the wrong length", { ...good, tokens: new Int32Array(5) }, /tokens.*27.*5/],
    ["an input of the wrong type", { ...good, tokens: new Float32Array(27) }, /tokens.*Int32Array/],
    ["an input that it does not know", { ...good, salt: new Int32Array(1) }, /salt/]
  ]

  for (const [what, inputs, says] of wrong)
    it.live(`run refuses ${what}, and runs the right ones after`, () =>
      Effect.gen(function* () {
        const prepared = yield* (yield* open).prepare(program)
        const error = yield* Effect.flip(prepared.run(inputs))
        assert.strictEqual(error._tag, "ProgramRejected")
        assert.match(error.message, says)
        assert.isAbove((yield* prepared.run(good))[lossName]![0]!, 0)
      })
    )
}

/** Tensors that no session holds. */
const heldTensors = (contract: Contract): void => {
  const { engine, it, settings } = contract
  const open = opened(contract)
  it.live("read and write refuse a tensor that is not held, and write a wrong length", () =>
    Effect.gen(function* () {
      const session = yield* open
      const errors = [
        yield* Effect.flip(session.read("nothing")),
        yield* Effect.flip(session.write("nothing", new Float32Array(1))),
        yield* Effect.flip(session.write("wte", new Float32Array(1)))
      ]
      for (const error of errors) assert.strictEqual(error._tag, "ProgramRejected")
      assert.match(errors[0]!.message, /nothing/)
      assert.match(errors[2]!.message, /wte.*696.*1/)
    })
  )

  const unheld: ReadonlyArray<readonly [string, ReadonlyArray<Tensor>]> = [
    ["an input", [{ name: "tokens", shape: [2], type: "f32", role: "input" }]],
    ["a tensor twice", [tensors[0]!, tensors[0]!]],
    ["a shape of size 0", [{ ...tensors[0]!, shape: [0, 3] }]]
  ]

  for (const [what, tensors] of unheld)
    it.live(`open refuses ${what}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(engine.open(tensors, settings))
        assert.strictEqual(error._tag, "ProgramRejected")
      })
    )
}

/** Values that are outside of what they index. */
const outsideValues = (contract: Contract): void => {
  const { it } = contract
  const open = opened(contract)
  const outside: ReadonlyArray<readonly [string, Inputs]> = [
    [
      "a token above the vocabulary",
      { ...good, tokens: good.tokens!.slice().fill(tiny.vocabulary) as Int32Array }
    ],
    ["a negative token", { ...good, tokens: good.tokens!.slice().fill(-1) as Int32Array }],
    ["a target outside the vocabulary", { ...good, targets: good.targets!.slice().fill(99) as Int32Array }],
    ["an offset beyond the positions", { ...good, offset: Int32Array.of(1) }]
  ]

  for (const [what, inputs] of outside)
    it.live(`${what} is a lasting failure`, () =>
      Effect.gen(function* () {
        const prepared = yield* (yield* open).prepare(program)
        const error = yield* Effect.flip(prepared.run(inputs))
        assert.strictEqual(error._tag, "EngineFailure")
        if (error._tag === "EngineFailure") assert.isFalse(error.transient)
        assert.isAbove((yield* prepared.run(good))[lossName]![0]!, 0)
      })
    )
}

export const refusalSuite = (contract: Contract): void => {
  contract.describe("refusals", () => {
    programs(contract)
    inputs(contract)
    heldTensors(contract)
    outsideValues(contract)
  })
}
