/** Operations on single elements and single rows: embedding, layer norm, gelu, add, dropout, and their gradients. */

import { rows, width } from "../../program/operations/shape.ts"
import { sizeOf } from "../../program/Program.ts"
import { f32, type Lowered, type Phase, type Place, type StepView, wordsOf } from "./Unit.ts"

/** Elements of one task of an elementwise kernel; `each` in assembly/elementwise.ts. */
const elementsEach = 8192

/** Rows of one task, so that it holds about as many elements. */
const rowsEach = (columns: number) => Math.max(1, Math.round(elementsEach / columns))

const single = (phase: Phase): Lowered => ({ phases: [phase], workerBytes: 0 })

const elementwise =
  (kernel: "add" | "gelu" | "geluBackward") =>
  (_: Place, step: StepView): Lowered => {
    const count = sizeOf(step.shape(0))
    return single([
      {
        kernel,
        step: step.index,
        tasks: Math.ceil(count / elementsEach),
        // gelu has one input; its kernel looks at the second without using it.
        arguments: [step.input(0), step.input(1) || step.input(0), step.output(0), count, step.flag(0)]
      }
    ])
  }

export const add = elementwise("add")
export const gelu = elementwise("gelu")
export const geluBackward = elementwise("geluBackward")

export const dropout = (_: Place, step: StepView): Lowered => {
  const count = sizeOf(step.shape(0))
  const rate = step.attribute("rate")
  return single([
    {
      kernel: "dropout",
      step: step.index,
      tasks: Math.ceil(count / elementsEach),
      arguments: [
        step.input(0),
        step.input(1),
        step.output(0),
        count,
        step.flag(0),
        step.attribute("salt") | 0,
        Math.ceil(rate * 2 ** 24),
        f32(1 / (1 - rate))
      ]
    }
  ])
}

export const layerNorm = (_: Place, step: StepView): Lowered => {
  const [count, columns] = [rows(step.shape(0)), width(step.shape(0))]
  const each = rowsEach(columns)
  return single([
    {
      kernel: "layerNorm",
      step: step.index,
      tasks: Math.ceil(count / each),
      arguments: [
        ...[step.input(0), step.input(1), step.input(2)],
        ...[step.output(0), step.output(1), step.output(2)],
        ...[count, columns, each, f32(step.attribute("epsilon"))]
      ]
    }
  ])
}

export const layerNormBackward = (place: Place, step: StepView): Lowered => {
  const [count, columns] = [rows(step.shape(1)), width(step.shape(1))]
  // At most 64 blocks, so that the sums over blocks stay small beside the rest. The same for any number of threads.
  const each = Math.max(rowsEach(columns), Math.ceil(count / 64))
  const blocks = Math.ceil(count / each)
  const sums = step.output(1) !== 0 || step.output(2) !== 0
  const partial = sums ? place.scratch.take(blocks * columns * 8) : 0
  const first: Phase = [
    {
      kernel: "layerNormBackward",
      step: step.index,
      tasks: blocks,
      arguments: [
        ...[step.input(0), step.input(1), step.input(2), step.input(3), step.input(4)],
        ...[step.output(0), count, columns, each, step.flag(0), partial]
      ]
    }
  ]
  const second: Phase = [1, 2]
    .filter((output) => step.output(output) !== 0)
    .map((output) => ({
      kernel: "columnSums",
      step: step.index,
      tasks: 1,
      arguments: [
        partial + (output - 1) * columns * 4,
        ...[blocks, columns, step.output(output), columns, step.flag(output), columns * 8]
      ]
    }))
  return { phases: second.length > 0 ? [first, second] : [first], workerBytes: 0 }
}

export const embedding = (_: Place, step: StepView): Lowered => {
  const [batch, time] = step.shape(0) as [number, number]
  const [vocabulary, columns] = step.shape(2) as [number, number]
  const each = rowsEach(columns)
  return single([
    {
      kernel: "embedding",
      step: step.index,
      tasks: Math.ceil((batch * time) / each),
      arguments: [
        ...[step.input(0), step.input(1), step.input(2), step.input(3), step.output(0)],
        ...[batch * time, time, columns, vocabulary, step.shape(3)[0]!, each],
        wordsOf(step.shape(1))
      ]
    }
  ])
}

export const embeddingBackward = (_: Place, step: StepView): Lowered => {
  const [batch, time, columns] = step.shape(0) as [number, number, number]
  const phase: Array<Phase[number]> = []
  if (step.output(0) !== 0) {
    const size = step.outputShape(0)[0]!
    const each = Math.ceil(size / Math.min(size, 32))
    phase.push({
      kernel: "embeddingTable",
      step: step.index,
      tasks: Math.ceil(size / each),
      arguments: [
        ...[step.input(0), step.input(1), step.output(0), batch * time],
        ...[columns, size, each, step.flag(0)]
      ]
    })
  }
  if (step.output(1) !== 0) {
    const size = step.outputShape(1)[0]!
    const each = Math.ceil(size / Math.min(size, 16))
    phase.push({
      kernel: "embeddingPositions",
      step: step.index,
      tasks: Math.ceil(size / each),
      arguments: [
        ...[step.input(0), step.input(2), step.output(1)],
        ...[batch, time, columns, size, each, step.flag(1)],
        wordsOf(step.shape(2))
      ]
    })
  }
  return single(phase)
}
