/** Grouped attention: one task for each head of each sequence, or for each group of heads over a cache. */
import { cachedBytes, headsTogether } from "./attention.ts"
import { edgeBytes, tileColumns, tileRows, up } from "./matrix.ts"
import { type Lowered, type Phase, type Place, type StepView, wordsOf } from "./Unit.ts"

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

/** Elements of one task that sums over heads. */
const elementsEach = 8192

export const groupedAttentionBackward = (place: Place, step: StepView): Lowered => {
  const { batch, groups, heads, size, time } = sizes(step, 1)
  const wide = up(time, tileColumns)
  const deep = up(size, tileColumns)
  const operands = 2 * wide * size + deep * time + 2 * strip * size + 2 * strip * deep
  // With several heads in a group, each head's gradients of keys and values are kept, then summed: as many tasks as heads.
  const isShared = heads > groups
  const rows = batch * time
  const kept = [1, 2].map((output) =>
    isShared && step.output(output) !== 0 ? place.scratch.take(rows * heads * size * 4) : step.output(output)
  )
  const flags = step.flag(0) + (isShared ? 0 : 2 * step.flag(1) + 4 * step.flag(2))
  const each = Math.max(1, Math.round(elementsEach / (heads * size)))
  const sums: Phase = [1, 2]
    .filter((output) => isShared && step.output(output) !== 0)
    .map((output) => ({
      kernel: "sumHeads",
      step: step.index,
      tasks: Math.ceil(rows / each),
      arguments: [
        ...[kept[output - 1]!, step.output(output), rows, groups, heads / groups, size],
        ...[each, step.flag(output)]
      ]
    }))
  const gradients: Phase = [
    {
      kernel: "groupedAttentionBackward",
      step: step.index,
      tasks: batch * heads,
      arguments: [
        ...[0, 1, 2, 3, 4, 5, 6].map(step.input),
        ...[step.output(0), ...kept, time, heads, groups, size, flags],
        isShared ? heads * size : groups * size
      ]
    }
  ]
  return {
    phases: sums.length > 0 ? [gradients, sums] : [gradients],
    workerBytes: edgeBytes + (operands + 2 * strip * wide + strip * (up(time, tileRows) + tileColumns)) * 4
  }
}

export const groupedAttentionCached = (_: Place, step: StepView): Lowered => {
  const { batch, groups, heads, size, time } = sizes(step, 0)
  const [rows, positions] = step.shape(3) as [number, number]
  // The heads of a group, or groups of one head each.
  const together = heads === groups ? headsTogether(groups, size) : headsTogether(heads / groups, size)
  return {
    phases: [
      [
        {
          kernel: "groupedAttentionCached",
          step: step.index,
          tasks: (batch * groups) / (heads === groups ? together : 1),
          arguments: [
            ...[0, 1, 2, 3, 4, 5].map(step.input),
            ...[step.output(0), time, heads, groups, size, positions],
            ...[wordsOf(step.shape(5)), step.input(6), rows, together]
          ]
        }
      ]
    ],
    workerBytes: cachedBytes(positions, together)
  }
}
