/**
 * A step of `map` or `reduce` as an interpreter takes it: the formula as instructions of a stack machine over views, each of which it reads once.
 * Shared by the engines that have such an interpreter.
 */
import { arity, depth, type Instruction, parse, postfix } from "./Formula.ts"
import type { MapAttributes } from "./primitives.ts"
import { full, kinds, plainView, type Space, walked } from "./walk.ts"

export interface Interpreted {
  /** Views of the inputs that the formula reads, then of the coordinates that it reads, then the output's. */
  readonly space: Space
  /** How many of the space's axes are reduced, and whether the innermost one stays. */
  readonly over: number
  readonly across: boolean
  readonly constants: ReadonlyArray<number>
  /** Pairs of a code and its operand: -2 pushes a constant, -1 a view's element, others call functions in the order of `arity`. */
  readonly codes: ReadonlyArray<number>
  /** How many values the stack holds at most. */
  readonly depth: number
}

const functions = Object.keys(arity)

const codesOf = (
  instructions: ReadonlyArray<Instruction>,
  viewOf: { readonly input: (index: number) => number; readonly coordinate: (axis: number) => number }
) => {
  const constants: Array<number> = []
  const constant = (value: number) => {
    if (!constants.includes(value)) constants.push(value)
    return constants.indexOf(value)
  }
  const codeOf = (instruction: Instruction): readonly [code: number, operand: number] => {
    switch (instruction.kind) {
      case "number":
        return [-2, constant(instruction.value)]
      case "input":
        return [-1, viewOf.input(instruction.index)]
      case "coordinate":
        return [-1, viewOf.coordinate(instruction.axis)]
      case "call":
        return [functions.indexOf(instruction.name), 0]
    }
  }
  const codes = instructions.flatMap(codeOf)
  return { codes, constants }
}

/** `isInteger` says which inputs are i32; the last `reduced` axes of the shape are reduced. */
export const interpreted = (
  { formula, names, shape, views }: Pick<MapAttributes, "formula" | "names" | "shape" | "views">,
  isInteger: (input: number) => boolean,
  reduced: number
): Interpreted => {
  const instructions = postfix(parse(formula, names))
  const inputs = [...new Set(instructions.flatMap((one) => (one.kind === "input" ? [one.index] : [])))]
  const axes = [...new Set(instructions.flatMap((one) => (one.kind === "coordinate" ? [one.axis] : [])))]
  const read = inputs.map((index) =>
    full(views[index]!, shape, isInteger(index) ? kinds.integers : kinds.floats, index)
  )
  const counted = axes.map((axis) =>
    plainView(
      kinds.places,
      shape.map((_, other) => (other === axis ? 1 : 0)),
      shape
    )
  )
  const output = full(views.at(-1)!, shape, kinds.floats, -1)
  return {
    ...walked({ shape, views: [...read, ...counted, output] }, reduced),
    ...codesOf(instructions, {
      input: (index) => inputs.indexOf(index),
      coordinate: (axis) => inputs.length + axes.indexOf(axis)
    }),
    depth: depth(instructions)
  }
}
