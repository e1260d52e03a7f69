/** How fast training goes: the figures of its steps, a few times a second at most. */
import type { StepFigures } from "./metrics.ts"

/** One step as the meter sees it. */
export interface Tick {
  readonly step: number
  readonly epoch: number
  readonly loss: number
  readonly learningRate: number
  readonly gradientNorm: number | null
  /** Milliseconds that the whole step took. */
  readonly milliseconds: number
  /** When the step ended, milliseconds of a clock that only goes forward. */
  readonly now: number
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** The first steps compile, pack and warm caches: the time left is reckoned from those after them. */
const warmUpSteps = 3
const intervalMilliseconds = 300

export interface Options {
  readonly steps: number
  readonly tokensPerStep: number
  /** Evaluations still to come after a step. */
  readonly evaluationsAfter: (step: number) => number
  /** What an evaluation costs in steps, as long as none was timed. */
  readonly evaluationInSteps: number
}

export const make = (options: Options) => {
  let waiting: Array<Tick> = []
  let reported = Number.NEGATIVE_INFINITY
  let ticks = 0
  let warm = 0
  let evaluations = 0
  let evaluating = 0
  return {
    /** Notes how long an evaluation took, with the samples and the saving that followed it. */
    evaluated: (milliseconds: number): void => {
      evaluations++
      evaluating += milliseconds
    },
    /** Notes a step; gives figures when it is time to publish some, with the mean loss of the steps since the last. */
    tick: (tick: Tick): StepFigures | undefined => {
      ticks++
      if (ticks > warmUpSteps) warm += tick.milliseconds
      waiting.push(tick)
      const isLast = tick.step === options.steps
      if (!isLast && tick.now - reported < intervalMilliseconds) return undefined
      const mean = (value: (tick: Tick) => number) =>
        waiting.reduce((sum, tick) => sum + value(tick), 0) / waiting.length
      const stepMilliseconds = mean((tick) => tick.milliseconds)
      const pace = ticks > warmUpSteps ? warm / (ticks - warmUpSteps) : stepMilliseconds
      const evaluation = evaluations > 0 ? evaluating / evaluations : options.evaluationInSteps * pace
      const figures: StepFigures = {
        step: tick.step,
        steps: options.steps,
        epoch: tick.epoch,
        loss: finite(mean((tick) => tick.loss)),
        learningRate: tick.learningRate,
        gradientNorm: tick.gradientNorm,
        tokensPerSecond: stepMilliseconds > 0 ? (options.tokensPerStep * 1000) / stepMilliseconds : 0,
        stepMilliseconds,
        secondsLeft:
          ((options.steps - tick.step) * pace + options.evaluationsAfter(tick.step) * evaluation) / 1000
      }
      reported = tick.now
      waiting = []
      return figures
    }
  }
}
