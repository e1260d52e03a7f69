/** Whole training steps: curves, accumulated gradients, and the same bits on every run and for any number of threads. */

import { Effect } from "effect"
import type { Engine, Inputs, Outputs, Settings } from "../Backend.ts"
import type { Program } from "../program/Program.ts"
import { engine as reference } from "../reference/engine.ts"
import * as assert from "./assertions.ts"
import { difference, sameBits } from "./compare.ts"
import { readAll, referenceSettings, runOnce, writeAll } from "./running.ts"
import type { Contract } from "./SuiteInput.ts"
import {
  accumulatePrograms,
  batch,
  evaluateProgram,
  heldBy,
  initial,
  lossName,
  type Shape,
  tiny,
  trainInputs,
  trainProgram
} from "./tinyGpt.ts"

/** Trains from the initial parameters; gives the losses, gradient norms, and every session tensor at the end. */
const train = Effect.fnUntraced(function* (engine: Engine, settings: Settings, shape: Shape, steps: number) {
  const program = trainProgram(shape)
  const tensors = heldBy([program])
  const session = yield* engine.open(tensors, settings)
  yield* writeAll(session, initial(tensors))
  const prepared = yield* session.prepare(program)
  const curve: Array<number> = []
  const norms: Array<number> = []
  for (let step = 1; step <= steps; step++) {
    const outputs = yield* prepared.run(trainInputs(shape, step))
    curve.push(outputs[lossName]![0]!)
    norms.push(outputs["gradientNorm.norm"]![0]!)
  }
  const held = yield* readAll(
    session,
    tensors.map((tensor) => tensor.name)
  )
  return { curve: Float32Array.from(curve), norms: Float32Array.from(norms), held }
}, Effect.scoped)

/** The right curve. AdamW divides by small numbers, so late steps may drift a little further than one operation does. */
const right = ({ answers }: Contract, shape: Shape, steps: number) =>
  answers.training(
    `${JSON.stringify(shape)}, ${steps} steps`,
    train(reference, referenceSettings, shape, steps)
  )

/** Losses step by step. */
const curves = (contract: Contract): void => {
  const { engine, it, settings, tolerance } = contract
  const f32 = settings.precision === "f32"
  for (const threads of contract.threads)
    it.live(`20 steps on ${threads} threads follow reference's curve and learn`, () =>
      Effect.gen(function* () {
        const mine = yield* train(engine, { ...settings, threads }, tiny, 20)
        const judge = yield* right(contract, tiny, 20)
        assert.isUndefined(difference("loss", mine.curve, judge.curve, tolerance * 30))
        assert.isUndefined(difference("norm", mine.norms, judge.norms, f32 ? 5e-3 : 0.2))
        assert.isBelow(mine.curve.at(-1)!, 0.8 * mine.curve[0]!)
      })
    )

  it.live("dropout is part of the step and of its gradient", () =>
    Effect.gen(function* () {
      const shape = { ...tiny, dropout: 0.2 }
      const mine = yield* train(engine, settings, shape, 5)
      const judge = yield* right(contract, shape, 5)
      assert.isUndefined(difference("loss", mine.curve, judge.curve, tolerance * 30))
      assert.notStrictEqual(mine.curve[1], (yield* train(engine, settings, tiny, 2)).curve[1])
    })
  )

  it.live("shapes of size 1 and odd sizes train as well", () =>
    Effect.gen(function* () {
      const shapes = [
        { ...tiny, batch: 1, time: 1, vocabulary: 2, width: 3, heads: 1, layers: 1 },
        { ...tiny, batch: 5, time: 17, vocabulary: 67, width: 35, heads: 5, layers: 1 }
      ]
      for (const shape of shapes) {
        const mine = yield* train(engine, settings, shape, 3)
        const judge = yield* right(contract, shape, 3)
        assert.isUndefined(difference("loss", mine.curve, judge.curve, tolerance * 30))
      }
    })
  )
}

// Several blocks of rows and several stretches of parameters, none of which a number of threads divides.
const uneven = { batch: 5, time: 33, vocabulary: 300, width: 40, heads: 5, layers: 1, dropout: 0.1 }

/** The same numbers whatever the threads. */
const bits = (contract: Contract): void => {
  const { engine, it, settings } = contract
  for (const [shapeName, shape] of [["small", tiny] as const, ["uneven", uneven] as const])
    it.live(
      `the same bits on every run, with ${contract.alike.join(", ")} threads, of the ${shapeName} model`,
      () =>
        Effect.gen(function* () {
          const first = yield* train(engine, settings, shape, 3)
          for (const threads of contract.alike) {
            const other = yield* train(engine, { ...settings, threads }, shape, 3)
            const different = Object.entries(first.held)
              .filter(([name, values]) => !sameBits(values, other.held[name]!))
              .map(([name]) => name)
            assert.deepStrictEqual(different, [], `${threads} threads`)
            assert.isTrue(sameBits(first.curve, other.curve), `the loss with ${threads} threads`)
            assert.isTrue(sameBits(first.norms, other.norms), `the gradient's norm with ${threads} threads`)
          }
        })
    )
}

/** Several batches for one update. */
const accumulation = (contract: Contract): void => {
  const { engine, it, settings, tolerance } = contract
  it.live("gradients accumulated over small batches are those of one large batch", () =>
    Effect.gen(function* () {
      const large = { ...tiny, batch: 4 }
      const small = { ...tiny, batch: 2 }
      const whole = accumulatePrograms(large)
      const parts = accumulatePrograms(small)
      const { targets, tokens } = batch(large, 1)
      const half = tokens.length / 2
      const inputs = (from: number, to: number, gradient: number): Inputs => ({
        tokens: tokens.slice(from, to),
        targets: targets.slice(from, to),
        offset: Int32Array.of(0),
        lossGradient: Float32Array.of(gradient)
      })
      const updateInputs: Inputs = { learningRate: Float32Array.of(0.01), step: Int32Array.of(1) }
      const after = (programs: ReadonlyArray<readonly [Program, Inputs]>) =>
        Effect.gen(function* () {
          const tensors = heldBy(programs.map(([program]) => program))
          const session = yield* engine.open(tensors, settings)
          yield* writeAll(session, initial(tensors))
          let last: Outputs = {}
          for (const [program, inputs] of programs) last = yield* runOnce(session, program, inputs)
          const gradients = tensors.filter((tensor) => tensor.name.endsWith(".gradient"))
          return {
            norm: last["gradientNorm.norm"]!,
            gradients: yield* readAll(
              session,
              gradients.map((tensor) => tensor.name)
            ),
            table: yield* session.read("wte")
          }
        }).pipe(Effect.scoped)
      const one = yield* after([
        [whole.first, inputs(0, 2 * half, 1)],
        [whole.update, updateInputs]
      ])
      const two = yield* after([
        [parts.first, inputs(0, half, 0.5)],
        [parts.more, inputs(half, 2 * half, 0.5)],
        [parts.update, updateInputs]
      ])
      assert.isUndefined(difference("norm", two.norm, one.norm, tolerance))
      for (const [name, values] of Object.entries(one.gradients))
        assert.isUndefined(difference(name, two.gradients[name]!, values, tolerance))
      // The first update moves every element by about the learning rate, whichever way its gradient points.
      assert.isUndefined(difference("wte", two.table, one.table, 0.1))
    })
  )
}

/** Several programs over one session. */
const evaluation = (contract: Contract): void => {
  const { engine, it, settings, tolerance } = contract
  it.live("a training step and an evaluation share the session's parameters", () =>
    Effect.gen(function* () {
      const programs = [trainProgram(tiny), evaluateProgram(tiny)] as const
      const tensors = heldBy(programs)
      const session = yield* engine.open(tensors, settings)
      yield* writeAll(session, initial(tensors))
      const step = yield* session.prepare(programs[0])
      const evaluate = yield* session.prepare(programs[1])
      const inputs = { ...batch(tiny, 1), offset: Int32Array.of(0) }
      const before = yield* evaluate.run(inputs)
      const trained = yield* step.run(trainInputs(tiny, 1))
      const later = yield* evaluate.run(inputs)
      assert.isUndefined(difference("loss", before[lossName]!, trained[lossName]!, tolerance))
      assert.isBelow(later[lossName]![0]!, before[lossName]![0]!)
      const known = before["projectionLoss.correct"]!.reduce((sum, one) => sum + one, 0)
      assert.isTrue(Number.isInteger(known) && known <= inputs.tokens.length)
    })
  )
}

export const trainingSuite = (contract: Contract): void => {
  contract.describe("training", () => {
    curves(contract)
    bits(contract)
    accumulation(contract)
    evaluation(contract)
  })
}
