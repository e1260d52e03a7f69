/** Computes the primitives: see `map`, `reduce`, `product` and `gather` in program/operations/, and program/primitives.ts. */
import { type Formula, type FunctionName, parse } from "../../program/Formula.ts"
import type { Shape } from "../../program/Operation.ts"
import { sizeOf } from "../../program/Program.ts"
import { mapAttributes, productAttributes, reduceAttributes, type View } from "../../program/primitives.ts"
import type { Call, Kernel } from "../Kernel.ts"

/** Elements between two pauses. */
const stride = 4096

const functions: Readonly<Record<FunctionName, (a: number, b: number, c: number) => number>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  negate: (a) => -a,
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
  exp: (a) => Math.exp(a),
  log: (a) => Math.log(a),
  sqrt: (a) => Math.sqrt(a),
  tanh: (a) => Math.tanh(a),
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  sin: (a) => Math.sin(a),
  cos: (a) => Math.cos(a),
  pow: (a, b) => a ** b,
  abs: (a) => Math.abs(a),
  floor: (a) => Math.floor(a),
  less: (a, b) => (a < b ? 1 : 0),
  equal: (a, b) => (a === b ? 1 : 0),
  where: (condition, a, b) => (condition !== 0 ? a : b)
}

type Evaluate = () => number

const zero: Evaluate = () => 0

/** A formula as a function of the inputs' and coordinates' present values. */
const compiled = (
  formula: Formula,
  inputs: ReadonlyArray<Evaluate>,
  coordinates: ReadonlyArray<number>
): Evaluate => {
  switch (formula.kind) {
    case "number":
      return () => formula.value
    case "input":
      return inputs[formula.index]!
    case "coordinate":
      return () => coordinates[formula.axis]!
  }
  const apply = functions[formula.name]
  const [first, second = zero, third = zero] = formula.values.map((value) =>
    compiled(value, inputs, coordinates)
  )
  return () => apply(first!(), second(), third())
}

/** The coordinates of a shape one after the other in row-major order: `next` goes on and wraps around at the end. */
const odometer = (shape: Shape) => {
  const at: Array<number> = shape.map(() => 0)
  return {
    at,
    next: () => {
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        if (++at[axis]! < shape[axis]!) return
        at[axis] = 0
      }
    }
  }
}

/** Index of the element at coordinates, or -1 where the view has none. */
const indexOf = ({ high, low, offset, strides }: View, at: ReadonlyArray<number>): number => {
  let index = offset
  for (let axis = 0; axis < strides.length; axis++) {
    const coordinate = at[axis]!
    if (low !== undefined && (coordinate < low[axis]! || coordinate >= high![axis]!)) return -1
    index += coordinate * strides[axis]!
  }
  return index
}

/** The formula of a step at the coordinates that `at` holds. */
const evaluator = (call: Call, at: ReadonlyArray<number>): Evaluate => {
  const { formula, names, views } = mapAttributes(call)
  const inputs = names.map((_, input): Evaluate => {
    const integers = call.integers(input)
    const values = integers.length > 0 ? integers : call.floats(input)
    const view = views[input]!
    return () => {
      const index = indexOf(view, at)
      return index === -1 ? 0 : values[index]!
    }
  })
  return compiled(parse(formula, names), inputs, at)
}

export const map: Kernel = function* (call) {
  const { shape, views } = mapAttributes(call)
  const { at, next } = odometer(shape)
  const evaluate = evaluator(call, at)
  const size = sizeOf(shape)
  for (let element = 0; element < size; element++, next()) {
    const index = indexOf(views.at(-1)!, at)
    if (index !== -1) call.put(0, index, evaluate())
    if (element % stride === 0) yield
  }
}

export const reduce: Kernel = function* (call) {
  const { kind, over, shape, views } = reduceAttributes(call)
  const { at, next } = odometer(shape)
  const evaluate = evaluator(call, at)
  const inner = sizeOf(shape.slice(shape.length - over))
  const outer = sizeOf(shape) / inner
  for (let element = 0; element < outer; element++) {
    const index = indexOf(views.at(-1)!, at)
    let result = kind === "sum" ? 0 : -Infinity
    for (let i = 0; i < inner; i++, next()) {
      const value = evaluate()
      result = kind === "sum" ? result + value : Math.max(result, value)
      if (i % stride === 0) yield
    }
    if (index !== -1) call.put(0, index, result)
  }
}

export const product: Kernel = function* (call) {
  const { shape, views } = productAttributes(call)
  const [a, b] = [call.floats(0), call.floats(1)]
  const depth = shape.at(-1)!
  const rows = shape.slice(0, -1)
  const { at, next } = odometer(rows)
  const size = sizeOf(rows)
  const [stepA, stepB] = [views[0].strides.at(-1)!, views[1].strides.at(-1)!]
  for (let element = 0; element < size; element++, next()) {
    const batch = at.slice(0, -2)
    let [left, right] = [
      indexOf(views[0], [...batch, at.at(-2)!, 0]),
      indexOf(views[1], [...batch, at.at(-1)!, 0])
    ]
    let sum = 0
    for (let k = 0; k < depth; k++, left += stepA, right += stepB) sum += a[left]! * b[right]!
    call.put(0, indexOf(views[2], at), sum)
    if (element % 64 === 0) yield
  }
}

export const gather: Kernel = function* (call) {
  const [rows, width] = call.shape(0) as [number, number]
  const [table, index] = [call.floats(0), call.integers(1)]
  for (const [row, from] of index.entries()) {
    if (from >= rows) yield `row ${from} is outside a table of ${rows}`
    for (let c = 0; c < width; c++) call.put(0, row * width + c, from < 0 ? 0 : table[from * width + c]!)
    yield
  }
}

export const scatterAdd: Kernel = function* (call) {
  const [rows, width] = call.outputShape(0) as [number, number]
  const [x, index] = [call.floats(0), call.integers(1)]
  const sum = new Float64Array(rows * width)
  for (const [row, to] of index.entries()) {
    if (to >= rows) yield `row ${to} is outside a table of ${rows}`
    if (to >= 0) for (let c = 0; c < width; c++) sum[to * width + c]! += x[row * width + c]!
    yield
  }
  for (let i = 0; i < sum.length; i++) call.put(0, i, sum[i]!)
}
