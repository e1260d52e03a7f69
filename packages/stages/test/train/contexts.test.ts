import { assert, describe, it } from "@effect/vitest"
import type { Inputs } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { Ports } from "../../src/model/Ports.ts"
import { contextsOf, lengthAt } from "../../src/train/contexts.ts"
import { backendOf, place, runTraining, type Settings, services, settings } from "./laboratory.ts"
import { listen, undisturbed } from "./trials.ts"

const qwen = { ...settings, model: { ...settings.model, family: "qwen" } } satisfies Settings

/** What the training programs of a run are given, by step. */
const inputsOf = Effect.fn("inputsOf")(function* (config: Settings) {
  const seen: Array<{ readonly shape: ReadonlyArray<number>; readonly inputs: Inputs }> = []
  const backend = backendOf((session) => ({
    ...session,
    prepare: (program) =>
      Effect.map(session.prepare(program), (prepared) =>
        program.name === "train-step"
          ? {
              run: (inputs) => {
                seen.push({ shape: program.tensors[Ports.tokens]!.shape, inputs })
                return prepared.run(inputs)
              }
            }
          : prepared
      )
  }))
  yield* runTraining(yield* place, config).pipe(Effect.provide(services(listen(), { backend })))
  return seen
}, Effect.scoped)

describe("contextSchedule", () => {
  it("says the length of each step's windows", () => {
    const setting = [
      { until: 0.25, sequenceLength: 2 },
      { until: 0.5, sequenceLength: 4 }
    ]
    const contexts = contextsOf(setting, { decay: 20 }, 8)
    assert.deepStrictEqual(
      [1, 5, 6, 10, 11, 99].map((step) => lengthAt(contexts, step)),
      [2, 2, 4, 4, 8, 8]
    )
  })

  it.live("cuts the same tokens into shorter windows, as many more", () =>
    Effect.gen(function* () {
      const config: Settings = { ...qwen, steps: 4, contextSchedule: [{ until: 0.5, sequenceLength: 2 }] }
      const cut = yield* inputsOf(config)
      const whole = yield* inputsOf({ ...config, contextSchedule: [] })
      assert.deepStrictEqual(
        cut.map(({ shape }) => shape),
        [
          [8, 2],
          [8, 2],
          [2, 8],
          [2, 8]
        ]
      )
      for (const [index, { inputs }] of whole.entries())
        for (const port of [Ports.tokens, Ports.targets])
          assert.deepStrictEqual(cut[index]!.inputs[port], inputs[port])
    })
  )

  it.live("is refused where positions are learned, lengths do not divide, or its parts go back", () =>
    Effect.gen(function* () {
      const refused = Effect.fn(function* (config: Settings, message: RegExp) {
        const error = yield* undisturbed(yield* place, config).pipe(Effect.flip)
        assert.match(error.message, message)
      })
      const half = { until: 0.5, sequenceLength: 4 }
      yield* refused({ ...settings, contextSchedule: [half] }, /GPT-2 learns a vector for each/)
      yield* refused(
        { ...qwen, contextSchedule: [{ ...half, sequenceLength: 3 }] },
        /sequenceLength of 3, which does not divide sequenceLength 8/
      )
      yield* refused(
        { ...qwen, contextSchedule: [half, { ...half, until: 0.4 }] },
        /goes back: until is 0\.4 after 0\.5/
      )
    }).pipe(Effect.scoped)
  )
})

describe("documentMask", () => {
  it.live("begins each document at the end token before it, within its window", () =>
    Effect.gen(function* () {
      const config: Settings = { ...qwen, steps: 6, documentMask: true }
      for (const length of [8, 4]) {
        const contextSchedule = length === 8 ? [] : [{ until: 0.9, sequenceLength: length }]
        const steps = yield* inputsOf({ ...config, contextSchedule })
        let inside = 0
        for (const { inputs } of steps.slice(0, 5)) {
          const starts = inputs[Ports.starts]!
          for (const [at, token] of inputs[Ports.tokens]!.entries()) {
            const position = at % length
            const begins = token === 0 || position === 0
            assert.strictEqual(starts[at], begins ? position : starts[at - 1])
            if (token === 0 && position > 0) inside++
          }
        }
        assert.isAbove(inside, 0)
      }
    })
  )

  it.live("is refused where the family has none", () =>
    Effect.gen(function* () {
      const error = yield* undisturbed(yield* place, { ...settings, documentMask: true }).pipe(Effect.flip)
      assert.match(error.message, /the attention of GPT-2 cannot be kept within documents/)
    }).pipe(Effect.scoped)
  )
})
