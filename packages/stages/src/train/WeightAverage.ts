/**
 * Averages of the weights, an exponential moving average or a plain one of late steps, which are evaluated, sampled and published in place
 * of the weights where the settings ask for one.
 *
 * - `emaSteps`: exponential moving average (EMA) from the first step on. Source: Polyak, Juditsky 1992, "Acceleration of Stochastic
 *   Approximation by Averaging", with a mean that forgets.
 * - `averageLast`: the plain mean of the weights of late steps. Source: Izmailov et al. 2018 (SWA), arXiv:1803.05407; Sanyal et al. 2023
 *   (early weight averaging), arXiv:2306.03241. Until it begins the weights themselves are evaluated.
 */
import type { RunError, Session } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import type { Parameter } from "../model/Parameters.ts"
import { release } from "../tensors/release.ts"
import type { Source } from "../tensors/Safetensors.ts"
import { type DiskTensors, DiskTensorsUnusable } from "./DiskTensors.ts"

/** Where the average is kept, and the trained weights while the average stands in the session in their place. */
export interface Storage {
  readonly average: DiskTensors
  readonly weights: DiskTensors
}

export interface WeightAverage {
  /** Sets the average of one parameter: where training begins, or from a checkpoint. */
  readonly set: (name: string, values: Float32Array) => Effect.Effect<void, DiskTensorsUnusable>
  /** The average of each parameter, under the parameter's name. Empty where none is kept, or it has not begun. */
  readonly sources: () => ReadonlyArray<Source<DiskTensorsUnusable>>
  /** Moves the average towards the weights by `share` of the way: 1 makes them equal. The first time it becomes the weights. */
  readonly update: (share: number) => Effect.Effect<void, RunError | DiskTensorsUnusable>
  /** Does something while the average stands in the place of the weights. They come back however it ends. */
  readonly withAveragedWeights: <A, E, R>(
    use: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | RunError | DiskTensorsUnusable, R>
  /** Fails where the session does not hold the trained weights, because bringing them back failed. */
  readonly checkWeights: Effect.Effect<void, DiskTensorsUnusable>
}

/** No average: the weights themselves are evaluated. */
export const none: WeightAverage = {
  set: () => Effect.void,
  sources: () => [],
  update: () => Effect.void,
  withAveragedWeights: (use) => use,
  checkWeights: Effect.void
}

/** Moves a part of the average towards the weights, whose `first` is the part's first. */
const moveTowards = (average: Float32Array, weights: Float32Array, first: number, share: number): void => {
  for (let i = 0; i < average.length; i++) average[i]! += share * (weights[first + i]! - average[i]!)
}

/** Copies each parameter's values from one place to another, one at a time. */
const copyEach = <E, F>(
  parameters: ReadonlyArray<Parameter>,
  from: (name: string) => Effect.Effect<Float32Array, E>,
  to: (name: string, values: Float32Array) => Effect.Effect<void, F>
) =>
  Effect.forEach(
    parameters,
    ({ name }) =>
      Effect.flatMap(from(name), (values) =>
        Effect.tap(to(name, values), () => Effect.sync(() => release(values)))
      ),
    { discard: true }
  )

/** The average of these parameters, whose trained values are in the session. */
export const make = (
  session: Session,
  parameters: ReadonlyArray<Parameter>,
  { average, weights }: Storage
): WeightAverage => {
  // Whether there is an average yet.
  let begun = false
  // Whether the session holds, or may hold, something else than the trained weights.
  let replaced = false
  const replace = Effect.suspend(() => {
    replaced = true
    return copyEach(parameters, average.read, session.write)
  })
  const restore = Effect.tap(copyEach(parameters, weights.read, session.write), () =>
    Effect.sync(() => {
      replaced = false
    })
  )
  return {
    set: (name, values) =>
      Effect.suspend(() => {
        begun = true
        return average.write(name, values)
      }),
    sources: () =>
      begun ? parameters.map(({ name, shape }) => ({ name, shape, read: average.read(name) })) : [],
    update: Effect.fn("WeightAverage.update")(function* (share: number) {
      for (const { name } of parameters) {
        const values = yield* session.read(name)
        if (begun) yield* average.change(name, (part, first) => moveTowards(part, values, first, share))
        else yield* average.write(name, values)
        release(values)
      }
      begun = true
    }),
    withAveragedWeights: (use) =>
      Effect.suspend(() =>
        begun
          ? Effect.acquireUseRelease(
              copyEach(parameters, session.read, weights.write),
              () => Effect.andThen(replace, use),
              () => restore
            )
          : use
      ),
    checkWeights: Effect.suspend(() =>
      replaced
        ? Effect.fail(
            new DiskTensorsUnusable({
              why: "The trained weights could not be put back after their average was evaluated."
            })
          )
        : Effect.void
    )
  }
}
