/**
 * A product followed by a formula that is a sum of multiples of the product and of one other tensor of its size, as in Muon's polynomials, is one
 * step: the sum is taken while the product's tiles are near.
 */
import { type Formula, parse } from "../program/Formula.ts"
import type { Program, Step } from "../program/Program.ts"
import { mapAttributes, productAttributes, type View } from "../program/primitives.ts"
import { rowMajor } from "../program/StridedArray.ts"

/** Factors of a formula's inputs, by number, where it is a sum of their multiples. Numbers by themselves count as input -1. */
const factorsOf = (formula: Formula): ReadonlyMap<number, number> | undefined => {
  switch (formula.kind) {
    case "number":
      return new Map([[-1, formula.value]])
    case "input":
      return new Map([[formula.index, 1]])
    case "coordinate":
      return undefined
    case "call": {
      const [first, second] = formula.values.map(factorsOf)
      if (first === undefined) return undefined
      const scaled = (by: number, factors: ReadonlyMap<number, number>) =>
        new Map([...factors].map(([input, factor]): [number, number] => [input, by * factor]))
      if (formula.name === "negate") return scaled(-1, first)
      if (second === undefined) return undefined
      const constant = (factors: ReadonlyMap<number, number>) =>
        factors.size === 1 ? factors.get(-1) : undefined
      const [one, other] = [constant(first), constant(second)]
      if (formula.name === "multiply")
        return one !== undefined
          ? scaled(one, second)
          : other !== undefined
            ? scaled(other, first)
            : undefined
      if (formula.name !== "add" && formula.name !== "subtract") return undefined
      const added = formula.name === "add" ? second : scaled(-1, second)
      const inputs = new Set([...first.keys(), ...added.keys()])
      return new Map([...inputs].map((input) => [input, (first.get(input) ?? 0) + (added.get(input) ?? 0)]))
    }
  }
}

const size = (shape: ReadonlyArray<number>) => shape.reduce((product, side) => product * side, 1)

/** Whether a view takes all of so many elements in their order. */
const isWhole = ({ high, low, offset, strides }: View, shape: ReadonlyArray<number>, elements: number) =>
  low === undefined &&
  high === undefined &&
  offset === 0 &&
  size(shape) === elements &&
  rowMajor(shape).every((stride, axis) => shape[axis] === 1 || stride === strides[axis])

/** Whether a product is that of a matrix with itself, of which the addon computes one half. */
const isSymmetric = (step: Step) => {
  if (step.operation !== "product" || step.inputs[0] !== step.inputs[1]) return false
  const { shape, views } = productAttributes(step)
  const [a, b] = views
  return (
    shape.at(-3) === shape.at(-2) &&
    a.offset === b.offset &&
    a.strides.every((stride, axis) => stride === b.strides[axis])
  )
}

/** Whether a tensor is an activation that is made once, as such a product. */
const isKnownSymmetric = (program: Program, tensor: string) => {
  const makers = program.steps.filter(({ outputs }) => outputs.includes(tensor))
  return (
    program.tensors[tensor]?.role === "activation" &&
    makers.length === 1 &&
    makers.every((maker) => isSymmetric(maker) && maker.accumulate.length === 0)
  )
}

/**
 * Both steps as one product, or undefined. Its third input is the other tensor; `blend` has the factors of the product and of that tensor.
 * The product's result must be read by nobody else.
 */
export const blended = (program: Program, product: Step, map: Step): Step | undefined => {
  if (product.operation !== "product" || map.operation !== "map") return undefined
  if (product.inputs.length !== 2 || map.inputs.length !== 2) return undefined
  const result = product.outputs[0]!
  const mine = map.inputs.indexOf(result)
  const other = map.inputs[1 - mine]!
  if (mine === -1 || other === result || program.tensors[other]?.type !== "f32") return undefined
  if (isSymmetric(product) && !isKnownSymmetric(program, other)) return undefined
  const { formula, names, shape, views } = mapAttributes(map)
  const elements = size(program.tensors[result]!.shape)
  const own = productAttributes(product)
  const isPlain =
    isWhole(own.views[2], own.shape.slice(0, -1), elements) &&
    views.every((view) => isWhole(view, shape, elements)) &&
    [other, map.outputs[0]!].every((name) => size(program.tensors[name]!.shape) === elements)
  const factors = isPlain ? factorsOf(parse(formula, names)) : undefined
  const [alpha, beta] = [factors?.get(mine), factors?.get(1 - mine)]
  if (factors?.size !== 2 || alpha === undefined || beta === undefined) return undefined
  return {
    ...product,
    inputs: [...product.inputs, other],
    outputs: map.outputs,
    attributes: { ...product.attributes, blend: [alpha, beta] }
  }
}

/** The factors of a joined product and of its third input. */
export const blendOf = ({ attributes: { blend } }: Pick<Step, "attributes">): ReadonlyArray<number> =>
  Array.isArray(blend) ? blend.map(Number) : []
