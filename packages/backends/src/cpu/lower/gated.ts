/** Operations of the transformer with rotary positions: RMSNorm, the gate of SwiGLU, and the rotation, with their gradients. */
import { sizeOf } from "../../program/Program.ts"
import { f32, f64, type Lowered, type Phase, type Place, type StepView, wordsOf } from "./Unit.ts"

/** Elements of one task of an elementwise kernel; `each` in assembly/gated.ts. */
const elementsEach = 8192

const single = (phase: Phase, workerBytes = 0): Lowered => ({ phases: [phase], workerBytes })

export const rmsNorm = (_: Place, step: StepView): Lowered => {
  const size = step.shape(1)[0]!
  const runs = sizeOf(step.shape(0)) / size
  const each = Math.max(1, Math.round(elementsEach / size))
  return single([
    {
      kernel: "rmsNorm",
      step: step.index,
      tasks: Math.ceil(runs / each),
      arguments: [
        ...[step.input(0), step.input(1), step.output(0), runs, size, each],
        f32(step.attribute("epsilon"))
      ]
    }
  ])
}

export const rmsNormBackward = (place: Place, step: StepView): Lowered => {
  const size = step.shape(2)[0]!
  const runs = sizeOf(step.shape(1)) / size
  // At most 64 blocks, so that the sums over blocks stay small beside the rest. The same for any number of threads.
  const each = Math.max(1, Math.round(elementsEach / size), Math.ceil(runs / 64))
  const blocks = Math.ceil(runs / each)
  const sums = step.output(1) !== 0
  const partial = sums ? place.scratch.take(blocks * size * 4) : 0
  const first: Phase = [
    {
      kernel: "rmsNormBackward",
      step: step.index,
      tasks: blocks,
      arguments: [
        ...[step.input(0), step.input(1), step.input(2), step.output(0), partial],
        ...[runs, size, each, f32(step.attribute("epsilon")), step.flag(0)]
      ]
    }
  ]
  const second: Phase = !sums
    ? []
    : [
        {
          kernel: "columnSums",
          step: step.index,
          tasks: 1,
          arguments: [partial, blocks, size, step.output(1), size, step.flag(1), size * 4]
        }
      ]
  return { phases: second.length > 0 ? [first, second] : [first], workerBytes: size * 4 }
}

export const swiglu = (_: Place, step: StepView): Lowered => {
  const count = sizeOf(step.shape(0))
  return single([
    {
      kernel: "swiglu",
      step: step.index,
      tasks: Math.ceil(count / elementsEach),
      arguments: [step.input(0), step.input(1), step.output(0), count]
    }
  ])
}

export const swigluBackward = (_: Place, step: StepView): Lowered => {
  const count = sizeOf(step.shape(0))
  return single([
    {
      kernel: "swigluBackward",
      step: step.index,
      tasks: Math.ceil(count / elementsEach),
      arguments: [
        ...[step.input(0), step.input(1), step.input(2), step.output(0), step.output(1)],
        ...[count, step.flag(0) + 2 * step.flag(1)]
      ]
    }
  ])
}

export const rope = (place: Place, step: StepView): Lowered => {
  const [batch, time, width] = step.shape(0) as [number, number, number]
  const heads = step.attribute("heads")
  const isInverse = place.program.steps[step.index]!.attributes.inverse === true
  const each = Math.max(1, Math.min(128, Math.round(elementsEach / width)))
  const pieces = Math.ceil(time / each)
  const words = wordsOf(step.shape(1))
  return single(
    [
      {
        kernel: "rope",
        step: step.index,
        tasks: words === 0 ? pieces : batch * pieces,
        arguments: [
          ...[step.input(0), step.input(1), step.output(0), batch, time, width, heads, each],
          ...[f32(isInverse ? -1 : 1), step.flag(0), ...f64(Math.log(step.attribute("theta")))],
          ...[words, pieces]
        ]
      }
    ],
    (width / heads + 8) * 4 + (width / heads / 2) * 32
  )
}
