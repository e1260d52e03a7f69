/** Whole training steps of a model whose operations and optimizer an engine expands: see tinyModern.ts. */
import { Effect } from "effect"
import type { Engine, Settings } from "../Backend.ts"
import { engine as reference } from "../reference/engine.ts"
import * as assert from "./assertions.ts"
import { difference, sameBits } from "./compare.ts"
import { readAll, referenceSettings, writeAll } from "./running.ts"
import type { Contract } from "./SuiteInput.ts"
import { heldBy, initial, type Shape } from "./tinyGpt.ts"
import { modern, modernInputs, modernLoss, modernProgram } from "./tinyModern.ts"

/** Trains from the initial parameters; gives the losses and every session tensor at the end. */
const train = Effect.fnUntraced(function* (engine: Engine, settings: Settings, shape: Shape, steps: number) {
  const program = modernProgram(shape)
  const tensors = heldBy([program])
  const session = yield* engine.open(tensors, settings)
  yield* writeAll(session, initial(tensors))
  const prepared = yield* session.prepare(program)
  const curve: Array<number> = []
  for (let step = 1; step <= steps; step++)
    curve.push((yield* prepared.run(modernInputs(shape, step)))[modernLoss]![0]!)
  const names = tensors.map((tensor) => tensor.name)
  return { curve: Float32Array.from(curve), held: yield* readAll(session, names) }
}, Effect.scoped)

export const expandedSuite = (contract: Contract): void => {
  const { alike, answers, describe, engine, it, settings, tolerance } = contract
  const judged = (shape: Shape, steps: number) =>
    answers.expanded(
      `${JSON.stringify(shape)}, ${steps} steps`,
      train(reference, referenceSettings, shape, steps)
    )
  describe("expanded operations and optimizers", () => {
    it.live("10 steps follow reference's curve and learn", () =>
      Effect.gen(function* () {
        const mine = yield* train(engine, settings, modern, 10)
        const right = yield* judged(modern, 10)
        assert.isUndefined(difference("loss", mine.curve, right.curve, tolerance * 30))
        assert.isBelow(mine.curve.at(-1)!, 0.95 * mine.curve[0]!)
      })
    )

    it.live("shapes of size 1 and odd sizes train as well", () =>
      Effect.gen(function* () {
        for (const shape of [
          { ...modern, batch: 1, time: 1, vocabulary: 2, width: 4, heads: 2, layers: 1 },
          { ...modern, batch: 3, time: 17, vocabulary: 67, width: 36, heads: 6, layers: 1 }
        ]) {
          const mine = yield* train(engine, settings, shape, 3)
          const right = yield* judged(shape, 3)
          assert.isUndefined(difference("loss", mine.curve, right.curve, tolerance * 30))
        }
      })
    )

    it.live(`the same bits on every run, with ${alike.join(", ")} threads`, () =>
      Effect.gen(function* () {
        const first = yield* train(engine, settings, modern, 3)
        for (const threads of alike) {
          const other = yield* train(engine, { ...settings, threads }, modern, 3)
          const different = Object.entries(first.held)
            .filter(([name, values]) => !sameBits(values, other.held[name]!))
            .map(([name]) => name)
          assert.deepStrictEqual(different, [], `${threads} threads`)
        }
      })
    )
  })
}
