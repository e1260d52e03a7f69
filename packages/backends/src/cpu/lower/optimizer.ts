/** The gradients' norm and AdamW. */
import { sizeOf } from "../../program/Program.ts"
import { f32, f64, type Lowered, type Place, type StepView } from "./Unit.ts"

/** Elements of a piece whose squares one task sums. */
const squaresEach = 65_536
/** Elements of one task of the update. */
const updateEach = 16_384

export const gradientNorm = (place: Place, step: StepView): Lowered => {
  const pieces: Array<number> = []
  const inputs = place.program.steps[step.index]!.inputs.length
  for (let input = 0; input < inputs; input++) {
    const size = sizeOf(step.shape(input))
    for (let first = 0; first < size; first += squaresEach)
      pieces.push(step.input(input) + first * 4, Math.min(squaresEach, size - first))
  }
  const count = pieces.length / 2
  const sums = place.scratch.take(count * 8)
  return {
    phases: [
      [{ kernel: "squares", step: step.index, tasks: count, arguments: [sums, ...pieces] }],
      [
        {
          kernel: "norm",
          step: step.index,
          tasks: 1,
          arguments: [sums, count, step.output(0), step.output(1), f32(step.attribute("maximum"))]
        }
      ]
    ],
    workerBytes: 0
  }
}

export const adamW = (_: Place, step: StepView): Lowered => {
  const count = sizeOf(step.shape(0))
  return {
    phases: [
      [
        {
          kernel: "adamW",
          step: step.index,
          tasks: Math.ceil(count / updateEach),
          arguments: [
            ...[0, 1, 2, 3, 4, 5, 6].map((input) => step.input(input)),
            ...[count, updateEach, 0],
            ...f64(step.attribute("beta1")),
            ...f64(step.attribute("beta2")),
            ...f64(step.attribute("epsilon")),
            ...f64(step.attribute("weightDecay"))
          ]
        }
      ]
    ],
    workerBytes: 0
  }
}
