/**
 * Short windows first: each row of a batch is cut into windows of the length that a step has, so that every step reads the same tokens as
 * without the schedule.
 *
 * Source: Press, Smith, Lewis 2021, "Shortformer", arXiv:2012.15832, section 3 (staged training).
 */
import type { Schedule } from "./Schedule.ts"
import type { TrainConfig } from "./TrainConfig.ts"

type Setting = TrainConfig["contextSchedule"]

/** Steps with windows of one length. */
export interface Context {
  readonly lastStep: number
  readonly length: number
}

/** The lengths of a run in order; the last is `sequenceLength` and never ends. */
export const contextsOf = (
  setting: Setting,
  { decay }: Pick<Schedule, "decay">,
  sequenceLength: number
): ReadonlyArray<Context> => [
  ...setting.map(({ sequenceLength, until }) => ({
    lastStep: Math.round(until * decay),
    length: sequenceLength
  })),
  { lastStep: Number.POSITIVE_INFINITY, length: sequenceLength }
]

/** Length of the windows of step `step`, counted from 1. */
export const lengthAt = (contexts: ReadonlyArray<Context>, step: number): number =>
  contexts.find(({ lastStep }) => step <= lastStep)!.length

/** Why the settings of the schedule contradict each other, in a sentence; undefined where they do not. */
export const contextFault = (setting: Setting): string | undefined => {
  const wrong = setting.findIndex(({ until }, index) => index > 0 && until <= setting[index - 1]!.until)
  return wrong < 0
    ? undefined
    : `contextSchedule goes back: until is ${setting[wrong]!.until} after ${setting[wrong - 1]!.until}. Put its parts in order of until.`
}

/** Why rows of `sequenceLength` tokens cannot be cut so, in a sentence. */
export const lengthFault = (setting: Setting, sequenceLength: number): string | undefined => {
  const wrong = setting.find((part) => sequenceLength % part.sequenceLength !== 0)
  return wrong === undefined
    ? undefined
    : `contextSchedule has a sequenceLength of ${wrong.sequenceLength}, which does not divide sequenceLength ${sequenceLength}: rows could not be cut into such windows. Choose lengths that divide it.`
}
