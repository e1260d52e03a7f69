/** When the average of the weights is brought up to date, and by how much. */
import type { Schedule } from "./Schedule.ts"
import type { State } from "./State.ts"
import type { TrainConfig } from "./TrainConfig.ts"

type Settings = Pick<TrainConfig, "averageLast" | "emaSteps">

/** Which average a run keeps. */
export const averageKind = ({ averageLast, emaSteps }: Settings): "none" | "ema" | "last" =>
  emaSteps > 0 ? "ema" : averageLast > 0 ? "last" : "none"

/** Whether a state of the run holds an average: an EMA always, the average of the last steps once it has begun. */
export const holdsAverage = (settings: Settings, state: Pick<State, "averagedWeights">): boolean =>
  averageKind(settings) === "ema" || (averageKind(settings) === "last" && state.averagedWeights > 0)

/** Step after which the average of the last steps begins. */
export const lastBegins = ({ averageLast }: Settings, { decay }: Schedule): number =>
  decay - Math.max(1, Math.round(averageLast * decay))

/** Weights that the average of the last steps takes at most, up to the end of the decay. */
const mostWeights = 32

/** Whether the average of the last steps takes in the weights of this step: evenly spread ones, the last of the decay among them. */
const takesIn = (settings: Settings, schedule: Schedule, step: number): boolean => {
  const begins = lastBegins(settings, schedule)
  const every = Math.max(1, Math.floor((schedule.decay - begins) / mostWeights))
  return step > begins && (schedule.decay - step) % every === 0
}

/**
 * The share of the way that the average moves towards the weights after a step; undefined where it stays. `evaluates` says whether an
 * evaluation follows.
 */
export const averageMove = (
  settings: Settings,
  schedule: Schedule,
  state: Pick<State, "averagedStep" | "averagedWeights">,
  step: number,
  evaluates: boolean
): number | undefined => {
  const { emaSteps } = settings
  switch (averageKind(settings)) {
    case "none":
      return undefined
    case "last":
      return takesIn(settings, schedule, step) ? 1 / (state.averagedWeights + 1) : undefined
    case "ema": {
      const interval = Math.max(1, Math.round(emaSteps / 16))
      if (step % interval !== 0 && !evaluates) return undefined
      // The plain mean of all steps so far, until there are emaSteps of them.
      return Math.min(1, (step - state.averagedStep) / Math.min(emaSteps, step))
    }
  }
}
