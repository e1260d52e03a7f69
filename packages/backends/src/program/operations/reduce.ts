/**
 * Sums, or largest values, of a formula: one of the primitives that every engine has. As `map`; the last `over` axes of the shape are
 * reduced, and the output's view has the axes before these. The order of summation does not depend on the number of threads.
 *
 *   y[view(outer)] = Σ inner formula(inputs at (outer, inner))      or the largest
 *
 * See `ReduceAttributes` in program/primitives.ts. Gradient: derived; where several elements are the largest, they share it alike.
 */
import type { Operation } from "../Operation.ts"
import { reduceAttributes } from "../primitives.ts"
import { formulaFault, viewsFault } from "./map.ts"

export const reduce: Operation = {
  name: "reduce",
  inputs: [{ name: "x", type: "f32", orIntegers: true }],
  variadic: true,
  outputs: [{ name: "y", type: "f32" }],
  accumulates: true,
  views: true,
  attributes: ["shape", "formula", "names", "views", "result", "kind", "over"],
  check: (step, tensor) => {
    const { kind, over, shape } = reduceAttributes(step)
    if (kind !== "sum" && kind !== "max") return "needs its attribute kind as sum or max"
    if (!Array.isArray(shape) || !Number.isInteger(over) || over < 1 || over > shape.length)
      return "needs its attribute over as a number of axes of its shape"
    if (kind === "max" && step.accumulate.length > 0) return "cannot add the largest value to what is there"
    if (step.inputs.includes(step.outputs[0]!)) return `reads and writes ${step.outputs[0]}`
    const outer = shape.slice(0, shape.length - over)
    return viewsFault(step, [...step.inputs.map(() => shape), outer], tensor) ?? formulaFault(step)
  },
  infer: (_, attributes) => [reduceAttributes({ attributes }).result]
}
