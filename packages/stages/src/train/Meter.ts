/** How fast training goes: what `Step` events say, a few times a second at most. */
import type { StageEvent } from "@trainyard/core/RunEvent"

type StepEvent = Extract<StageEvent, { readonly type: "Step" }>

/** One step as the meter sees it. */
export interface Tick {
  readonly step: number
  readonly epoch: number
  readonly loss: number
  readonly learningRate: number
  readonly gradientNorm: number | null
  /** Milliseconds that the engine took. */
  readonly milliseconds: number
  /** Clock at the step's end, milliseconds. */
  readonly now: number
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** The first steps compile, pack and warm caches: the time left is reckoned from those after them. */
const warmUpSteps = 3
const intervalMilliseconds = 300

export const make = (options: { readonly steps: number; readonly tokensPerStep: number }) => {
  let waiting: Array<Tick> = []
  let reported = Number.NEGATIVE_INFINITY
  let ticks = 0
  let origin: { readonly step: number; readonly now: number } | undefined
  return {
    /** Notes a step; gives an event when it is time for one, with the mean loss of the steps since the last. */
    tick: (tick: Tick): StepEvent | undefined => {
      ticks++
      if (ticks === warmUpSteps) origin = tick
      waiting.push(tick)
      const isLast = tick.step === options.steps
      if (!isLast && tick.now - reported < intervalMilliseconds) return undefined
      const mean = (value: (tick: Tick) => number) =>
        waiting.reduce((sum, tick) => sum + value(tick), 0) / waiting.length
      const stepMilliseconds = mean((tick) => tick.milliseconds)
      // Whole wall time a step, so that evaluations and samples count in the time left.
      const pace =
        origin === undefined || tick.step <= origin.step
          ? stepMilliseconds
          : (tick.now - origin.now) / (tick.step - origin.step)
      const event: StepEvent = {
        type: "Step",
        step: tick.step,
        steps: options.steps,
        epoch: tick.epoch,
        loss: finite(mean((tick) => tick.loss)),
        learningRate: tick.learningRate,
        gradientNorm: tick.gradientNorm,
        tokensPerSecond: stepMilliseconds > 0 ? (options.tokensPerStep * 1000) / stepMilliseconds : 0,
        stepMilliseconds,
        secondsLeft: ((options.steps - tick.step) * pace) / 1000
      }
      reported = tick.now
      waiting = []
      return event
    }
  }
}
