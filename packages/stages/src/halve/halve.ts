/**
 * Successive halving: trainings of a sweep go up to a first number of steps, the better share of them goes on to the next, and so on (Jamieson
 * and Talwalkar, 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization"). Each part of a training is an artifact, so a
 * sweep that is killed goes on, and the same trials are dropped each time.
 */
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect, Schema } from "effect"
import { Halving } from "../train/Halving.ts"
import { TrainedRun } from "../train/TrainedRun.ts"

/** Trainings that cannot be compared. */
export class HalvingImpossible extends Schema.TaggedError<HalvingImpossible>()("HalvingImpossible", {
  message: Schema.String
}) {}

const most = 64
const inputOf = (index: number) => `run${index + 1}` as const
const optionalRun = Stage.optional(TrainedRun)
const inputs: Readonly<Record<`run${number}`, typeof optionalRun>> = Object.fromEntries(
  Array.from({ length: most }, (_, index) => [inputOf(index), optionalRun])
)

/** Ranks trainings and says which go on. */
const stage = Stage.make({
  name: "halve",
  version: 1,
  source: import.meta.url,
  inputs,
  config: {
    /** How many trainings go on. */
    keep: Schema.Int.check(Schema.isGreaterThan(0)),
    /** Name of each trial, in the order of the inputs. */
    trials: Schema.Array(Schema.String)
  },
  output: Halving,
  run: Effect.fn("halve")(function* ({ config, inputs }) {
    const journal = yield* Journal
    const runs = config.trials.flatMap((trial, index) => {
      const run = inputs[inputOf(index)]
      return run === undefined ? [] : [{ trial, run }]
    })
    const tokenizers = new Set(runs.map(({ run }) => run.value.tokenizer))
    if (tokenizers.size > 1)
      return yield* new HalvingImpossible({
        message:
          "The trials have different tokenizers, so their losses per token cannot be compared. Give each tokenizer a sweep of its own."
      })
    // Stable: the trials' order decides between equal losses.
    const ranking = runs
      .map(({ run: { cacheKey, value }, trial }) => ({
        trial,
        cacheKey,
        steps: value.steps,
        loss: value.bestValidationLoss
      }))
      // Those that were dropped before stay dropped: they have fewer steps.
      .sort((a, b) => b.steps - a.steps || a.loss - b.loss)
    const kept = ranking.slice(0, config.keep)
    const named = (part: typeof ranking) => part.map(({ trial }) => trial).join(", ")
    yield* journal.publish({
      type: "Note",
      level: "info",
      message: `After ${ranking[0]?.steps ?? 0} steps ${named(kept)} ${kept.length === 1 ? "goes" : "go"} on; dropped: ${named(ranking.slice(config.keep)) || "none"}.`
    })
    return { ranking, kept: kept.map(({ cacheKey }) => cacheKey) }
  })
})

/** What a part of a training is given: spread it into `train`. */
export interface Part {
  readonly name: string
  /** Up to which step it goes, those before included. */
  readonly steps: number
  /** The steps of the whole, so that the learning rate falls as in a training that was never divided. */
  readonly decaySteps: number
  readonly from?: Stage.Node<typeof TrainedRun>
  readonly halving?: Stage.Node<typeof Halving>
}

export interface Options<N extends Stage.Node<typeof TrainedRun>> {
  /** The training of each trial, by its name: letters, digits, `-` and `.`. */
  readonly trials: Readonly<Record<string, (part: Part) => N>>
  /** Steps at which trials are compared, rising; the last is the whole training. */
  readonly steps: readonly [number, ...ReadonlyArray<number>]
  /** Share of the trials that goes on from one part to the next; at least one does. */
  readonly keep?: number
}

/**
 * A sweep with successive halving. Gives the last part of each trial, by its name; a trial that was dropped ends with what it had.
 *
 * @example
 * ```ts
 * const runs = halve({
 *   steps: [100, 300, 900],
 *   trials: Object.fromEntries(
 *     [0.01, 0.003, 0.001].map((learningRate) => [
 *       `rate-${learningRate}`,
 *       (part: Part) => train({ ...part, dataset, model: Gpt.tiny, learningRate })
 *     ])
 *   )
 * })
 * ```
 *
 * Throws a `RangeError` for options that make no sweep.
 */
export const halve = <N extends Stage.Node<typeof TrainedRun>>({
  keep = 0.5,
  steps,
  trials
}: Options<N>): Readonly<Record<string, N>> => {
  const names = Object.keys(trials)
  if (names.length === 0 || names.length > most)
    throw new RangeError(`halve takes 1 to ${most} trials, and was given ${names.length}.`)
  if (steps.some((each, index) => index > 0 && each <= steps[index - 1]!))
    throw new RangeError(`steps of halve must rise, and are ${steps.join(", ")}.`)
  if (!(keep > 0 && keep < 1))
    throw new RangeError(`keep of halve is a share between 0 and 1, and is ${keep}.`)
  const decaySteps = steps.at(-1)!
  let parts: ReadonlyArray<N> = []
  let left = names.length
  steps.forEach((until, index) => {
    const before = parts
    if (index > 0) left = Math.max(1, Math.floor(left * keep))
    const halving =
      index === 0
        ? undefined
        : stage({
            name: `halve-${index}`,
            ...Object.fromEntries(before.map((run, trial) => [inputOf(trial), run])),
            keep: left,
            trials: names
          })
    parts = names.map((name, trial) =>
      trials[name]!({
        name: index === steps.length - 1 ? name : `${name}-${until}`,
        steps: until,
        decaySteps,
        ...(halving === undefined ? {} : { from: before[trial]!, halving })
      })
    )
  })
  return Object.fromEntries(names.map((name, index) => [name, parts[index]!]))
}
