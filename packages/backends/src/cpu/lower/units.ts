/**
 * Which steps are computed together. Neighbours that are cheaper as one become one unit; units that do not need each other become
 * one group, whose phases run side by side with fewer waits in between.
 */
import type { OperationName } from "../../program/operations.ts"
import type { Program, Step } from "../../program/Program.ts"
import { attention, attentionBackward, attentionCached } from "./attention.ts"
import { linear, linearBackward, linearBackwardInput, linearBackwardWeight } from "./matrix.ts"
import { adamW, gradientNorm } from "./optimizer.ts"
import { projection } from "./projection.ts"
import {
  add,
  dropout,
  embedding,
  embeddingBackward,
  gelu,
  geluBackward,
  layerNorm,
  layerNormBackward
} from "./rows.ts"
import { type Lowered, type Place, type StepView, viewOf } from "./Unit.ts"

/** Every operation alone. */
export const alone: Readonly<Partial<Record<OperationName, (place: Place, step: StepView) => Lowered>>> = {
  embedding,
  embeddingBackward,
  layerNorm,
  layerNormBackward,
  linear,
  linearBackwardInput,
  linearBackwardWeight,
  attention,
  attentionBackward,
  attentionCached,
  gelu,
  geluBackward,
  add,
  dropout,
  projectionLoss: (place, step) => projection(place, step, undefined),
  projectionLossBackward: (place, step) => projection(place, undefined, step),
  gradientNorm,
  adamW
}

export interface Unit {
  /** Indexes of its steps. */
  readonly steps: ReadonlyArray<number>
  readonly lower: (place: Place) => Lowered
}

/** A step and the next as one unit, where that is known to be cheaper. */
const pair = (program: Program, index: number): Unit | undefined => {
  const [step, next] = [program.steps[index], program.steps[index + 1]]
  if (step === undefined || next === undefined) return undefined
  const steps = [index, index + 1]
  const both = (lower: (place: Place, first: StepView, second: StepView) => Lowered): Unit => ({
    steps,
    lower: (place) => lower(place, viewOf(place, index), viewOf(place, index + 1))
  })
  if (
    step.operation === "projectionLoss" &&
    next.operation === "projectionLossBackward" &&
    next.inputs[1] === step.inputs[0] &&
    next.inputs[2] === step.inputs[1] &&
    next.inputs[3] === step.inputs[2] &&
    next.inputs[4] === step.outputs[3]
  )
    return both(projection)
  if (step.operation === "linear" && next.operation === "gelu" && next.inputs[0] === step.outputs[0])
    return both((place, first, second) => linear(place, first, second.output(0)))
  if (
    step.operation === "linearBackwardWeight" &&
    next.operation === "linearBackwardInput" &&
    next.inputs[0] === step.inputs[0] &&
    !step.outputs.includes(next.inputs[1]!) &&
    !step.outputs.includes(next.outputs[0]!) &&
    !step.inputs.includes(next.outputs[0]!)
  )
    return both(linearBackward)
  return undefined
}

const single = (step: Step, index: number): Unit => ({
  steps: [index],
  lower: (place) => alone[step.operation as OperationName]!(place, viewOf(place, index))
})

export const unitsOf = (program: Program): ReadonlyArray<Unit> => {
  const units: Array<Unit> = []
  for (let index = 0; index < program.steps.length; ) {
    const step: Step = program.steps[index]!
    const unit = pair(program, index) ?? single(step, index)
    units.push(unit)
    index += unit.steps.length
  }
  return units
}

const reads = (program: Program, unit: Unit) => unit.steps.flatMap((step) => program.steps[step]!.inputs)
const writes = (program: Program, unit: Unit) => unit.steps.flatMap((step) => program.steps[step]!.outputs)

/** Neighbouring units, cut wherever one needs what another of its group does. */
export const groupsOf = (
  program: Program,
  units: ReadonlyArray<Unit>
): ReadonlyArray<ReadonlyArray<Unit>> => {
  const groups: Array<Array<Unit>> = []
  let read = new Set<string>()
  let written = new Set<string>()
  for (const unit of units) {
    const [ins, outs] = [reads(program, unit), writes(program, unit)].map((names) =>
      names.filter((name) => name !== "")
    ) as [Array<string>, Array<string>]
    const apart =
      ins.some((name) => written.has(name)) || outs.some((name) => written.has(name) || read.has(name))
    if (apart || groups.length === 0) {
      groups.push([])
      read = new Set()
      written = new Set()
    }
    groups.at(-1)!.push(unit)
    for (const name of ins) read.add(name)
    for (const name of outs) written.add(name)
  }
  return groups
}
