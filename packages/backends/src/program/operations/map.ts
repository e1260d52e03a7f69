/**
 * A formula element by element, through views: one of the primitives that every engine has.
 *
 *   y[view(coordinates)] = formula(inputs at coordinates)
 *
 * See `MapAttributes` in program/primitives.ts for its attributes and program/Formula.ts for formulas. An output that is also an input
 * has the same view there. Gradient: derived.
 */
import { lastAxisOf, parse } from "../Formula.ts"
import type { Operation, Shape } from "../Operation.ts"
import type { Step, Tensor } from "../Program.ts"
import { sizeOf } from "../Program.ts"
import { ProgramError } from "../ProgramError.ts"
import { type MapAttributes, mapAttributes, mostAxes } from "../primitives.ts"
import { isInjective, sameView, viewFault } from "../views.ts"

const isSides = (value: unknown): value is Shape =>
  Array.isArray(value) &&
  value.length <= mostAxes &&
  value.every((side) => Number.isInteger(side) && side > 0)

/** What is wrong with the shape of a primitive's step, its result or its views; `shapes` are those of the views. */
export const viewsFault = (
  step: Step,
  shapes: ReadonlyArray<Shape>,
  tensor: (name: string) => Tensor
): string | undefined => {
  const { result, shape, views } = step.attributes as Partial<MapAttributes>
  if (!isSides(shape)) return `needs a shape of at most ${mostAxes} sides`
  if (!isSides(result)) return "needs the shape of its result"
  if (!Array.isArray(views) || views.length !== shapes.length)
    return `needs ${shapes.length} views, one for each input and the output's`
  for (const [index, view] of views.entries()) {
    const name = step.inputs[index] ?? step.outputs[0]!
    const fault = viewFault(view, shapes[index]!, sizeOf(tensor(name).shape))
    if (fault !== undefined) return `${fault}: ${name}`
  }
  return isInjective(views.at(-1)!, shapes.at(-1)!)
    ? undefined
    : `has a view that reaches an element of ${step.outputs[0]} twice`
}

/** What is wrong with the formula of a step. */
export const formulaFault = (step: Step): string | undefined => {
  const { formula, names, shape } = mapAttributes(step)
  if (!Array.isArray(names) || names.length !== step.inputs.length || typeof formula !== "string")
    return `needs a formula and ${step.inputs.length} names for its inputs`
  try {
    const axis = lastAxisOf(parse(formula, names))
    return axis < shape.length ? undefined : `reads the coordinate i${axis}, which its shape has not`
  } catch (cause) {
    if (cause instanceof ProgramError) return cause.why
    throw cause
  }
}

/** An output among the inputs is only right where each element is read before it is written, and by nobody else. */
const inPlaceFault = (step: Step): string | undefined => {
  const { shape, views } = mapAttributes(step)
  const output = step.outputs[0]!
  const reads = step.inputs.flatMap((name, index) => (name === output ? [views[index]!] : []))
  if (reads.some((view) => !sameView(view, views.at(-1)!, shape)))
    return `reads ${output} through another view than it writes it`
  return reads.length > 0 && step.accumulate.length > 0 ? `adds to ${output}, which it reads` : undefined
}

export const map: Operation = {
  name: "map",
  inputs: [{ name: "x", type: "f32", orIntegers: true }],
  variadic: 0,
  outputs: [{ name: "y", type: "f32" }],
  accumulates: true,
  views: true,
  attributes: ["shape", "formula", "names", "views", "result"],
  check: (step, tensor) => {
    const { shape } = mapAttributes(step)
    const shapes = [...step.inputs, "y"].map(() => shape)
    return viewsFault(step, shapes, tensor) ?? formulaFault(step) ?? inPlaceFault(step)
  },
  infer: (_, attributes) => [mapAttributes({ attributes }).result]
}
