import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { backendOf, place, runTraining, type Settings, services, settings } from "./laboratory.ts"
import { listen, ofType } from "./trials.ts"

/** Warnings of a run with these settings. The dataset has 25 windows. */
const warnings = Effect.fn("warnings")(function* (config: Settings, backend = backendOf()) {
  const heard = listen()
  yield* runTraining(yield* place, config).pipe(Effect.provide(services(heard, { backend })))
  return ofType(heard, "Note").flatMap((note) => (note.level === "warning" ? [note.message] : []))
}, Effect.scoped)

const short: Settings = { ...settings, steps: 4, evaluateEvery: 4, checkpointEvery: { seconds: 60 } }
const { steps: _, ...epochal } = short

const cases: ReadonlyArray<readonly [name: string, config: Settings, warning: RegExp]> = [
  [
    "a batch larger than an epoch, where an epoch was asked for",
    { ...epochal, epochs: 1, batchSize: 100 },
    /^batchSize 100 is more than the 25 windows of an epoch: each step goes through the training split 4 times\. This run goes through it 4 times, where 1 was asked for\. Set batchSize to 25 or less/
  ],
  [
    "batches that together are larger than an epoch",
    { ...short, batchSize: 10, gradientAccumulationSteps: 4 },
    /^batchSize 10 times gradientAccumulationSteps 4 is more than the 25 windows.* 1\.6 times\. Set batchSize to 6 or less/
  ],
  [
    "a warm-up longer than the run",
    { ...short, warmUp: 9 },
    /^warmUp 9 is as long as the run of 4 steps or longer: .* never reaches learningRate\. Lower warmUp/
  ],
  ["a warm-up as long as the run", { ...short, warmUp: 4 }, /reaches its peak at the last step/],
  [
    "the length of a line where the rate falls as a cosine",
    { ...short, decayShare: 0.2 },
    /^decayShare has no effect, because schedule is "cosine"/
  ],
  [
    "an average that begins after the end",
    { ...short, decaySteps: 10, averageLast: 0.5 },
    /^averageLast 0\.5 has no effect: it begins after step 5 and the run has 4/
  ],
  [
    "Muon's settings without Muon",
    { ...short, muon: { momentum: 0.9 } },
    /^muon has no effect, because optimizer is "adamw"/
  ],
  ["a mean over more than the run", { ...short, emaSteps: 9 }, /^emaSteps 9 is longer than the 4 steps/],
  [
    "patience that cannot run out",
    { ...short, patience: 3 },
    /^patience 3 has no effect: the run has 1 evaluation\. Lower evaluateEvery \(4\) or patience/
  ],
  ["samples beyond the end", { ...short, sampleEvery: 5 }, /^sampleEvery 5 is beyond the last step, 4/],
  [
    "prompts without samples",
    { ...short, prompts: ["a"], sampleTokens: 3 },
    /^prompts and sampleTokens have no effect, because sampleEvery is 0/
  ],
  [
    "how spikes are told, where they are ignored",
    { ...short, faults: { spikeAfter: 3 } },
    /^faults\.spikeAfter has no effect, because faults\.spike is "ignore"/
  ],
  [
    "spikes that are looked for after the end",
    { ...short, faults: { spike: "skip" } },
    /^faults\.spike has no effect: spikes are looked for after 50 steps \(faults\.spikeAfter\) and the run has 4/
  ],
  ["a limit on nothing", { ...short, faults: { limit: 3 } }, /^faults\.limit has no effect/],
  ["no checkpoints", { ...short, checkpointEvery: {} }, /^checkpointEvery gives neither steps nor seconds/],
  [
    "checkpoints beyond the end",
    { ...short, steps: 100, checkpointEvery: { steps: 100 } },
    /^checkpointEvery\.steps 100 schedules no checkpoint before the last step, 100/
  ]
]

describe("settings without the effect that they seem to have", () => {
  it.live("sensible settings are not warned of", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* warnings(settings), [])
      assert.deepStrictEqual(yield* warnings({ ...epochal, epochs: 1, batchSize: 25 }), [])
    })
  )
  for (const [name, config, warning] of cases)
    it.live(name, () =>
      Effect.gen(function* () {
        const found = yield* warnings(config)
        assert.strictEqual(found.length, 1, found.join("\n"))
        assert.match(found[0]!, warning)
      })
    )
  it.live("a schedule that ends before its warm-up is refused", () =>
    Effect.gen(function* () {
      const error = yield* warnings({ ...short, warmUp: 3, decaySteps: 3 }).pipe(Effect.flip)
      assert.match(error.message, /decaySteps \(3\) is not after warmUp \(3\)/)
    })
  )
})
