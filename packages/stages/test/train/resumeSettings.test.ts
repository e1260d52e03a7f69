/** Every setting of how a model learns resumes with the same bits after an interruption. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { place, resultOf, type Settings, sibling, steady } from "./laboratory.ts"
import { interruptAt, undisturbed } from "./trials.ts"

const base = { ...steady, model: { ...steady.model, dropout: 0.1 } } satisfies Settings

const { dropout: _, ...sizes } = base.model
/** A model with rotary positions and document masks. */
const qwen = { ...base, model: { ...sizes, family: "qwen", dropout: { attention: 0.1 } } } satisfies Settings

const cases: ReadonlyArray<readonly [name: string, settings: Settings]> = [
  ["a linear schedule", { ...base, schedule: "linear", decayShare: 0.5 }],
  ["weight decay by its time scale", { ...base, weightDecay: { timescaleEpochs: 0.3 } }],
  ["rows of whole documents", { ...base, windows: "documents" }],
  ["rows of whole documents that are not cut", { ...base, windows: "documents", sequenceLength: 20 }],
  ["Muon", { ...base, optimizer: "muon" }],
  ["Muon with accumulated gradients", { ...base, optimizer: "muon", gradientAccumulationSteps: 2 }],
  ["attention within documents", { ...qwen, windows: "documents", sequenceLength: 20 }],
  ["attention within documents of a stream", { ...qwen, documentMask: true }],
  [
    "short windows first",
    {
      ...qwen,
      contextSchedule: [
        { until: 0.3, sequenceLength: 2 },
        { until: 0.6, sequenceLength: 4 }
      ]
    }
  ],
  [
    "everything together",
    {
      ...qwen,
      optimizer: "muon",
      schedule: "linear",
      weightDecay: { timescaleEpochs: 0.3 },
      windows: "documents",
      contextSchedule: [{ until: 0.5, sequenceLength: 4 }],
      averageLast: 0.4,
      calibrate: true
    }
  ]
]

describe("resume", () => {
  for (const [name, config] of cases)
    it.live(`${name} goes on bit-identical`, () =>
      Effect.gen(function* () {
        const plain = yield* place
        yield* undisturbed(plain, config)
        for (const step of [4, 12, 20]) {
          const stopped = sibling(plain, `stopped-${step}`)
          yield* interruptAt(stopped, config, (event) => event.type === "Saved" && event.step >= step)
          yield* undisturbed(stopped, config)
          assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
        }
      }).pipe(Effect.scoped)
    )
})
