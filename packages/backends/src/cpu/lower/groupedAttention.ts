/** Grouped attention: one task for each head (forward) or group of heads (backward, cached) of each sequence. */
import { edgeBytes, tileColumns, tileRows, up } from "./matrix.ts"
import type { Lowered, Place, StepView } from "./Unit.ts"

/** Queries in a strip; STRIP in assembly/attention.ts. */
const strip = 48

const sizes = (step: StepView, query: number) => {
  const [batch, time, width] = step.shape(query) as [number, number, number]
  const [heads, groups] = [step.attribute("heads"), step.attribute("groups")]
  return { batch, time, heads, groups, size: width / heads }
}

export const groupedAttention = (_: Place, step: StepView): Lowered => {
  const { batch, groups, heads, size, time } = sizes(step, 0)
  const wide = up(time, tileColumns)
  const operands = wide * size + up(size, tileColumns) * time + strip * size
  const inputs = [0, 1, 2, 3].map(step.input)
  return {
    phases: [
      [
        {
          kernel: "groupedAttention",
          step: step.index,
          tasks: batch * heads,
          arguments: [...inputs, step.output(0), step.output(1), time, heads, groups, size]
        }
      ]
    ],
    workerBytes: edgeBytes + (operands + 2 * strip * wide) * 4
  }
}

export const groupedAttentionBackward = (_: Place, step: StepView): Lowered => {
  const { batch, groups, heads, size, time } = sizes(step, 1)
  const wide = up(time, tileColumns)
  const deep = up(size, tileColumns)
  const operands = 2 * wide * size + deep * time + 2 * strip * size + 2 * strip * deep
  const flags = step.flag(0) + 2 * step.flag(1) + 4 * step.flag(2)
  return {
    phases: [
      [
        {
          kernel: "groupedAttentionBackward",
          step: step.index,
          tasks: batch * groups,
          arguments: [
            ...[0, 1, 2, 3, 4, 5, 6].map(step.input),
            ...[0, 1, 2].map(step.output),
            ...[time, heads, groups, size, flags]
          ]
        }
      ]
    ],
    workerBytes: edgeBytes + (operands + 2 * strip * wide + strip * (up(time, tileRows) + tileColumns)) * 4
  }
}

export const groupedAttentionCached = (_: Place, step: StepView): Lowered => {
  const { batch, groups, heads, size, time } = sizes(step, 0)
  const positions = step.shape(3)[1]!
  return {
    phases: [
      [
        {
          kernel: "groupedAttentionCached",
          step: step.index,
          tasks: batch * groups,
          arguments: [
            ...[0, 1, 2, 3, 4, 5].map(step.input),
            ...[step.output(0), time, heads, groups, size, positions]
          ]
        }
      ]
    ],
    workerBytes: edgeBytes + positions * 4 + 64
  }
}
