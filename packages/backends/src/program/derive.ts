/**
 * Gradients of primitives, and with them of every operation that expands: the expansion is computed again, and its steps are gone through
 * backwards. A view turned around is a view that is written: what read a slice adds to it, and what read one element often sums.
 */
import { derivative, isZero, multiply } from "./derivative.ts"
import { type Arrays, Expander, type Sink } from "./Expander.ts"
import { type Formula, parse, print, substitute } from "./Formula.ts"
import type { Shape } from "./Operation.ts"
import type { Step } from "./Program.ts"
import { mapAttributes, type ProductAttributes, productAttributes, type View } from "./primitives.ts"
import type { StridedArray } from "./StridedArray.ts"
import * as Strided from "./StridedArray.ts"
import { isInjective } from "./views.ts"

/** Gradients by the name of their tensor, and the primitives that compute them. */
interface Backward {
  readonly e: Expander
  readonly sink: Sink
  readonly gradients: Map<string, string>
  /** Tensors that gradients flow through. */
  readonly flows: ReadonlySet<string>
}

const sizeOf = (shape: Shape): number => shape.reduce((product, side) => product * side, 1)

/** The elements of a step's input as an array of the step's shape. */
const seen = (
  tensor: string,
  shape: Shape,
  view: View,
  type: StridedArray["type"] = "f32"
): StridedArray => ({
  tensor,
  type,
  shape,
  view
})

/** Adds a formula over `shape` to the gradient of a tensor, where a view reads its elements. Arrays have that shape. */
const contribute = (
  { e, gradients, sink }: Backward,
  name: string,
  shape: Shape,
  view: View,
  formula: string,
  arrays: Arrays
): void => {
  const spread = [...shape.keys()].filter((axis) => shape[axis] !== 1 && view.strides[axis] === 0)
  const once = shape.map((side, axis) => (spread.includes(axis) ? 1 : side))
  if (!isInjective(view, once)) e.fail(`there is no gradient through a view of ${name} that overlaps itself`)
  const tensor = sink.tensor(name)
  const before = gradients.get(name)
  const isAll = sizeOf(once) === sizeOf(tensor.shape)
  const gradient = before ?? (isAll ? sink.declare(tensor.shape).name : e.fill(0, tensor.shape).tensor)
  gradients.set(name, gradient)
  const target = seen(gradient, once, view)
  const adds = before !== undefined || !isAll
  if (spread.length === 0) e.write(target, formula, arrays, adds)
  else e.write(target, "x", { x: e.sum(formula, arrays, spread) }, adds)
}

/** As `contribute`, for a view with bounds: what lies outside is cut off first. */
const contributeWithin = (
  backward: Backward,
  name: string,
  shape: Shape,
  view: View,
  { arrays, formula, names }: { formula: Formula; names: ReadonlyArray<string>; arrays: Arrays }
): void => {
  const low = shape.map((_, axis) => Math.max(0, view.low?.[axis] ?? 0))
  const high = shape.map((side, axis) => Math.min(side, view.high?.[axis] ?? side))
  if (low.some((from, axis) => from >= high[axis]!)) return
  const cut = (array: StridedArray) =>
    shape.reduce(
      (one, side, axis) =>
        one.shape[axis] === side && (low[axis]! > 0 || high[axis]! < side)
          ? Strided.slice(one, axis, low[axis]!, high[axis]!)
          : one,
      array
    )
  const moved = substitute(formula, {
    coordinate: (axis) =>
      low[axis] === 0
        ? { kind: "coordinate", axis }
        : {
            kind: "call",
            name: "add",
            values: [
              { kind: "coordinate", axis },
              { kind: "number", value: low[axis]! }
            ]
          }
  })
  const { shape: inner, view: own } = cut(seen(name, shape, view))
  contribute(
    backward,
    name,
    inner,
    { offset: own.offset, strides: own.strides },
    print(moved, names),
    Object.fromEntries(Object.entries(arrays).map(([key, array]) => [key, cut(array)]))
  )
}

/** A view of the axes before the last `over`, for a shape that has these too. */
const lengthened = (view: View, shape: Shape, over: number): View => {
  const more = shape.slice(shape.length - over)
  return {
    offset: view.offset,
    strides: [...view.strides, ...more.map(() => 0)],
    ...(view.low === undefined ? {} : { low: [...view.low, ...more.map(() => 0)] }),
    ...(view.high === undefined ? {} : { high: [...view.high, ...more] })
  }
}

/** A factor that shares the gradient of a largest value among the elements that have it. */
const shareOfLargest = (
  { e }: Backward,
  formula: string,
  arrays: Arrays,
  largest: StridedArray,
  over: number
): Arrays => {
  const { shape } = largest
  const axes = [...shape.keys()].slice(shape.length - over)
  // A copy has the precision of what it is compared with.
  const element = e.map(formula, arrays, shape)
  const count = e.sum("equal(element, largest)", { element, largest }, axes)
  return { share: e.map("equal(element, largest) / count", { element, largest, count }) }
}

const elementwise = (backward: Backward, step: Step, gradient: string): void => {
  const { formula, names, shape, views } = mapAttributes(step)
  const over = Number(step.attributes.over ?? 0)
  const tree = parse(formula, names)
  const out = lengthened(views.at(-1)!, shape, over)
  const { e, flows, sink } = backward
  if (step.inputs.includes(step.outputs[0]!)) e.fail(`a step that works in place has no gradient`)
  const own: Arrays = Object.fromEntries(
    names.map((name, index) => {
      const tensor = step.inputs[index]!
      return [name, seen(tensor, shape, views[index]!, sink.tensor(tensor).type)]
    })
  )
  const more =
    step.attributes.kind === "max"
      ? shareOfLargest(backward, formula, own, seen(step.outputs[0]!, shape, out), over)
      : {}
  // Names that no input of the step has.
  const free = (name: string): string => (names.includes(name) ? free(`${name}_`) : name)
  const factors = { dy: seen(gradient, shape, out), ...more }
  const all = [...names, ...Object.keys(factors).map(free)]
  const arrays: Arrays = {
    ...own,
    ...Object.fromEntries(Object.entries(factors).map(([name, array]) => [free(name), array]))
  }
  for (const [index, name] of step.inputs.entries()) {
    const slope = flows.has(name) ? derivative(tree, index) : undefined
    if (slope === undefined || isZero(slope)) continue
    const whole = Object.keys(factors).reduce<Formula>(
      (product, _, at) => multiply({ kind: "input", index: names.length + at }, product),
      slope
    )
    contributeWithin(backward, name, shape, views[index]!, {
      formula: whole,
      names: all,
      arrays: arrays
    })
  }
}

/** dA = dY · B and dB = dYᵀ · A, where Y = A · Bᵀ. */
const product = (backward: Backward, step: Step, gradient: string): void => {
  const { e, flows } = backward
  const { shape, views }: ProductAttributes = productAttributes(step)
  const batch = shape.slice(0, -3)
  const [m, n, k] = shape.slice(-3) as [number, number, number]
  const turned = (array: StridedArray) => {
    const axes = [...array.shape.keys()]
    return e.transpose(array, [...axes.slice(0, -2), axes.length - 1, axes.length - 2])
  }
  const [first, second] = step.inputs as [string, string]
  const a = seen(first, [...batch, m, k], views[0])
  const b = seen(second, [...batch, n, k], views[1])
  const dy = seen(gradient, [...batch, m, n], views[2])
  if (flows.has(first)) contribute(backward, first, a.shape, views[0], "x", { x: e.product(dy, turned(b)) })
  if (flows.has(second))
    contribute(backward, second, b.shape, views[1], "x", { x: e.product(turned(dy), turned(a)) })
}

const lookup = (backward: Backward, step: Step, gradient: string): void => {
  const { e, flows } = backward
  const [from, index] = step.inputs as [string, string]
  if (!flows.has(from)) return
  const source = e.array(from)
  const dy = e.array(gradient)
  const x =
    step.operation === "gather"
      ? e.scatterAdd(dy, e.array(index), source.shape[0]!)
      : e.gather(dy, e.array(index))
  contribute(backward, from, source.shape, source.view, "x", { x })
}

const backwardOf = (backward: Backward, step: Step, gradient: string): void => {
  if (step.operation === "product") product(backward, step, gradient)
  else if (step.operation === "gather" || step.operation === "scatterAdd") lookup(backward, step, gradient)
  else elementwise(backward, step, gradient)
}

/**
 * Appends to a sink the gradients of some tensors, `wanted`, through primitives that were run in this order. `given` has the gradients of
 * their results. The result has the names of the tensors that hold the gradients of those that have one.
 */
export const derive = (
  sink: Sink,
  steps: ReadonlyArray<Step>,
  wanted: ReadonlySet<string>,
  given: ReadonlyMap<string, string>
): ReadonlyMap<string, string> => {
  const flows = new Set(wanted)
  for (const step of steps)
    if (step.inputs.some((name) => flows.has(name))) for (const name of step.outputs) flows.add(name)
  const gradients = new Map(given)
  const backward: Backward = { e: new Expander(sink), sink, gradients, flows }
  for (const step of [...steps].reverse()) {
    const gradient = gradients.get(step.outputs[0]!)
    if (gradient !== undefined && step.inputs.some((name) => flows.has(name)))
      backwardOf(backward, step, gradient)
  }
  return new Map([...gradients].filter(([name]) => wanted.has(name)))
}
