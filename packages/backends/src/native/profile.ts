/** Where a run's time goes, by operation: the addon counts in runs that ask for it, which costs two clock readings a step. */
import type { Program } from "../program/Program.ts"

/** What one operation cost. */
export interface OperationTime {
  readonly operation: string
  readonly milliseconds: number
  /** Of these, the milliseconds in which the first worker had a processor: the rest it waited for other programs. */
  readonly busyMilliseconds: number
}

/** The difference between two readings of the addon's `times`, longest first. */
export const spent = (
  program: Program,
  before: ReadonlyArray<number>,
  after: ReadonlyArray<number>
): ReadonlyArray<OperationTime> => {
  const sums = new Map<string, { milliseconds: number; busyMilliseconds: number }>()
  const since = (index: number) => ((after[index] ?? 0) - (before[index] ?? 0)) / 1e6
  for (const [index, step] of program.steps.entries()) {
    const both = step.operation === "projectionLoss" && step.inputs[3] !== ""
    const label = both ? "projectionLoss with its gradients" : step.operation
    const sum = sums.get(label) ?? { milliseconds: 0, busyMilliseconds: 0 }
    sum.milliseconds += since(3 * index + 1)
    sum.busyMilliseconds += since(3 * index + 2)
    sums.set(label, sum)
  }
  return [...sums]
    .map(([operation, sum]) => ({ operation, ...sum }))
    .sort((a, b) => b.milliseconds - a.milliseconds)
}
