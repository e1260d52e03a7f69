/** The small changes that a run's status is folded with: a phase, a moment on the timeline, a list that does not grow for ever. */
import type { Phase, RunState } from "./RunState.ts"

const mostKept = 200

/** The items with one more; the oldest go when there are too many. */
export const keep = <A>(items: ReadonlyArray<A>, item: A): ReadonlyArray<A> =>
  items.length < mostKept ? [...items, item] : [...items.slice(1), item]

export const secondsBetween = (from: string, to: string): number =>
  Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000)

/** The status with one phase changed. */
export const changePhase = (
  status: RunState,
  name: string,
  change: (phase: Phase) => Partial<Phase>
): RunState => ({
  ...status,
  phases: status.phases.map((phase) => (phase.name === name ? { ...phase, ...change(phase) } : phase))
})

/** The status with a moment more on its timeline. */
export const note = (status: RunState, at: string, stage: string | null, text: string): RunState => ({
  ...status,
  timeline: keep(status.timeline, { at, stage, text })
})
