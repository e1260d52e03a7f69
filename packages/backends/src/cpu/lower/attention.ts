/** Attention: one task for each head of each sequence, and the memory that a worker needs for a strip of queries. */
import { edgeBytes, tileColumns, tileRows, up } from "./matrix.ts"
import { type Lowered, type Place, type StepView, wordsOf } from "./Unit.ts"

/** Queries in a strip; STRIP in assembly/attention.ts. */
const strip = 48

const sizes = (step: StepView, position: number) => {
  const [batch, time, columns] = step.shape(position) as [number, number, number]
  const heads = step.attribute("heads")
  const width = columns / 3
  return { batch, time, width, heads, size: width / heads }
}

export const attention = (_: Place, step: StepView): Lowered => {
  const { batch, heads, size, time, width } = sizes(step, 0)
  const wide = up(time, tileColumns)
  const operands = wide * size + up(size, tileColumns) * time + strip * size
  return {
    phases: [
      [
        {
          kernel: "attention",
          step: step.index,
          tasks: batch * heads,
          arguments: [step.input(0), step.output(0), step.output(1), time, width, heads]
        }
      ]
    ],
    workerBytes: edgeBytes + (operands + strip * wide + strip * wide) * 4
  }
}

export const attentionBackward = (_: Place, step: StepView): Lowered => {
  const { batch, heads, size, time, width } = sizes(step, 1)
  const wide = up(time, tileColumns)
  const deep = up(size, tileColumns)
  const operands = 2 * wide * size + deep * time + 2 * strip * size + 2 * strip * deep
  return {
    phases: [
      [
        {
          kernel: "attentionBackward",
          step: step.index,
          tasks: batch * heads,
          arguments: [
            ...[step.input(0), step.input(1), step.input(2), step.input(3), step.output(0)],
            ...[time, width, heads]
          ]
        }
      ]
    ],
    workerBytes: edgeBytes + (operands + 2 * strip * wide + strip * (up(time, tileRows) + tileColumns)) * 4
  }
}

/** Neighbouring heads that a task of cached attention takes together: four of a whole number of vectors, FOUR in assembly/fourHeads.ts, or one. */
export const headsTogether = (heads: number, size: number): number =>
  heads % 4 === 0 && size % 4 === 0 ? 4 : 1

/** Scores of heads taken together, with a place for their sums. */
export const cachedBytes = (positions: number, together: number): number =>
  edgeBytes + (positions + 1) * 4 * together + 64

export const attentionCached = (_: Place, step: StepView): Lowered => {
  const { batch, heads, size, time, width } = sizes(step, 0)
  const [rows, positions] = step.shape(1) as [number, number]
  const together = headsTogether(heads, size)
  return {
    phases: [
      [
        {
          kernel: "attentionCached",
          step: step.index,
          tasks: (batch * heads) / together,
          arguments: [
            ...[step.input(0), step.input(1), step.input(2), step.input(3), step.output(0)],
            ...[time, width, heads, positions],
            ...[wordsOf(step.shape(3)), step.input(4), rows, together]
          ]
        }
      ]
    ],
    workerBytes: cachedBytes(positions, together)
  }
}
