/**
 * The primitives against a plain evaluation of the same step, element by element in float64, on every kernel path and with several numbers of
 * threads.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Addon } from "../../src/native/addon.ts"
import { type Formula, parse } from "../../src/program/Formula.ts"
import { type Step, sizeOf } from "../../src/program/Program.ts"
import {
  mapAttributes,
  productAttributes,
  reduceAttributes,
  type View
} from "../../src/program/primitives.ts"
import { type OneStep, type Random, ran, random, underTest, type Values } from "./oneStep.ts"

const functions: Readonly<Record<string, (...values: ReadonlyArray<number>) => number>> = {
  add: (a = 0, b = 0) => a + b,
  subtract: (a = 0, b = 0) => a - b,
  multiply: (a = 0, b = 0) => a * b,
  divide: (a = 0, b = 0) => a / b,
  negate: (a = 0) => -a,
  max: Math.max,
  min: Math.min,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  sigmoid: (a = 0) => 1 / (1 + Math.exp(-a)),
  sin: Math.sin,
  cos: Math.cos,
  pow: (a = 0, b = 0) => a ** b,
  abs: Math.abs,
  floor: Math.floor,
  less: (a = 0, b = 0) => (a < b ? 1 : 0),
  equal: (a = 0, b = 0) => (a === b ? 1 : 0),
  where: (a = 0, b = 0, c = 0) => (a === 0 ? c : b)
}

/** The place of an element, or -1 in the padding. */
const placeOf = (view: View, at: ReadonlyArray<number>) => {
  let place = view.offset
  for (const [axis, stride] of view.strides.entries()) {
    const i = at[axis]!
    if (i < (view.low?.[axis] ?? 0) || i >= (view.high?.[axis] ?? Number.POSITIVE_INFINITY)) return -1
    place += i * stride
  }
  return place
}

const valueOf = (formula: Formula, at: ReadonlyArray<number>, read: (index: number) => number): number => {
  switch (formula.kind) {
    case "number":
      return Math.fround(formula.value)
    case "input":
      return read(formula.index)
    case "coordinate":
      return at[formula.axis]!
    case "call":
      return functions[formula.name]!(...formula.values.map((value) => valueOf(value, at, read)))
  }
}

/** All coordinates of a shape, the last axis quickest. */
const coordinates = function* (shape: ReadonlyArray<number>): Generator<ReadonlyArray<number>> {
  const count = sizeOf(shape)
  for (let i = 0; i < count; i++) {
    let rest = i
    const at = shape.map(() => 0)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis] = rest % shape[axis]!
      rest = Math.floor(rest / shape[axis]!)
    }
    yield at
  }
}

/** What the step gives, from what its output held. */
const expected = ({ given, held, step }: OneStep): ReadonlyArray<number> => {
  const inputs = step.inputs.map((name) => given[name]!.values)
  const adds = step.accumulate.length > 0
  const y = [...held.y!.values]
  const put = (place: number, value: number) => {
    if (place >= 0) y[place] = adds ? y[place]! + value : value
  }
  if (step.operation === "product") {
    const { shape, views } = productAttributes(step)
    const k = shape.at(-1)!
    for (const at of coordinates(shape.slice(0, -1))) {
      let sum = 0
      const batch = at.slice(0, -2)
      const [m, n] = at.slice(-2)
      for (let i = 0; i < k; i++)
        sum +=
          inputs[0]![placeOf(views[0], [...batch, m!, i])]! *
          inputs[1]![placeOf(views[1], [...batch, n!, i])]!
      put(placeOf(views[2], at), sum)
    }
    return y
  }
  const { formula, names, shape, views } = mapAttributes(step)
  const tree = parse(formula, names)
  const element = (at: ReadonlyArray<number>) =>
    valueOf(tree, at, (index) => {
      const place = placeOf(views[index]!, at)
      return place < 0 ? 0 : inputs[index]![place]!
    })
  if (step.operation === "map") {
    for (const at of coordinates(shape)) put(placeOf(views.at(-1)!, at), element(at))
    return y
  }
  const { kind, over } = reduceAttributes(step)
  for (const kept of coordinates(shape.slice(0, -over))) {
    let total = kind === "max" ? Number.NEGATIVE_INFINITY : 0
    for (const reduced of coordinates(shape.slice(-over))) {
      const value = element([...kept, ...reduced])
      total = kind === "max" ? Math.max(total, value) : total + value
    }
    put(placeOf(views.at(-1)!, kept), total)
  }
  return y
}

/** A view over a tensor of its own: axes in any order, some broadcast unless it is written to, gaps, padding; and how large it is. */
const anyView = (r: Random, shape: ReadonlyArray<number>, isWritten: boolean, mayPad: boolean) => {
  const strides = shape.map(() => 0)
  const order = r.below(2) === 0 ? shape.map((_, axis) => axis) : r.shuffled(shape.length)
  const isPadded = mayPad && r.below(4) === 0
  const low = shape.map((side) => (isPadded ? r.below(Math.min(side, 3)) : 0))
  const high = shape.map((side, axis) => (isPadded ? low[axis]! + 1 + r.below(side - low[axis]!) : side))
  let size = r.below(4) === 0 ? 2 : 1
  let offset = 0
  for (const axis of order.toReversed()) {
    if (!isWritten && r.below(5) === 0) continue
    strides[axis] = size
    // With padding the tensor begins where the first element is seen.
    offset -= low[axis]! * size
    size *= high[axis]! - low[axis]!
  }
  const view: View = isPadded ? { offset, strides, low, high } : { offset, strides }
  return { view, size }
}

const formulas = [
  "a",
  "a * b + c",
  "a * sigmoid(a) * b",
  "where(less(i0, i1), a, b)",
  "(a - b) * exp(-c) + i1 * 0.5",
  "max(a, b) - min(b, c)",
  "tanh(a) + sin(b * 9) * cos(c * 7)",
  "log(abs(a) + 1) * sqrt(abs(b)) / (2 + c)",
  "pow(abs(a), 1.5) + floor(b * 5)",
  "equal(n, 2) * a - n * b",
  "i2 + 3"
]

const sides = (r: Random) =>
  r.from([
    [3, 5, 7],
    [1, 40, 300],
    [17, 2, 3, 5],
    [130, 70, 1],
    [2, 3, 2, 2, 9, 4],
    [4, 9, 33],
    // Long enough to be cut into segments.
    [2, 12_000, 1],
    [5_000, 3, 2],
    [700, 2, 40]
  ])

const stepOf = (
  operation: string,
  inputs: ReadonlyArray<string>,
  attributes: object,
  adds: boolean
): Step => ({
  operation,
  inputs,
  outputs: ["y"],
  attributes: { ...attributes },
  accumulate: adds ? ["y"] : []
})

const caseOf = (r: Random, step: Step, values: Readonly<Record<string, Values>>, size: number): OneStep => ({
  step,
  given: Object.fromEntries(
    Object.entries(values).map(([name, numbers]) => [name, { shape: [numbers.length], values: numbers }])
  ),
  held: { y: { shape: [size], values: r.floats(size) } }
})

const formulaCase = (r: Random, reduces: boolean): OneStep => {
  const shape = sides(r)
  const formula = r.from(formulas)
  const names = ["a", "b", "c", "n"]
  const over = reduces ? 1 + r.below(shape.length) : 0
  const outer = shape.slice(0, shape.length - over)
  const output = anyView(r, outer, true, true)
  const inputs = names.map(() => anyView(r, shape, false, true))
  const given: Record<string, Values> = {}
  for (const [index, name] of names.entries())
    given[name] = name === "n" ? r.integers(inputs[index]!.size, 4) : r.floats(inputs[index]!.size)
  const attributes = {
    shape,
    formula,
    names,
    views: [...inputs.map(({ view }) => view), output.view],
    result: [output.size],
    ...(reduces ? { kind: r.from(["sum", "max"]), over } : {})
  }
  return caseOf(
    r,
    stepOf(reduces ? "reduce" : "map", names, attributes, r.below(3) === 0),
    given,
    output.size
  )
}

const productCase = (r: Random): OneStep => {
  const [m, n, k] = [r.from([1, 3, 20, 70]), r.from([1, 5, 33, 64]), r.from([1, 2, 31, 300])]
  const batch = r.from([[], [3], [2, 5], [1, 2, 2]])
  const shape = [...batch, m, n, k]
  const [a, b, y] = [
    anyView(r, [...batch, m, k], false, false),
    anyView(r, [...batch, n, k], false, false),
    anyView(r, [...batch, m, n], true, false)
  ]
  const attributes = { shape, views: [a.view, b.view, y.view], result: [y.size] }
  return caseOf(
    r,
    stepOf("product", ["a", "b"], attributes, r.below(3) === 0),
    { a: r.floats(a.size), b: r.floats(b.size) },
    y.size
  )
}

/** The rows of a matrix with each other: only one half is computed. */
const squareCase = (r: Random): OneStep => {
  const [m, k] = [r.from([1, 5, 33, 70, 130]), r.from([1, 31, 300])]
  const batch = r.from([[], [3]])
  const x = anyView(r, [...batch, m, k], false, false)
  const y = anyView(r, [...batch, m, m], true, false)
  const attributes = { shape: [...batch, m, m, k], views: [x.view, x.view, y.view], result: [y.size] }
  return caseOf(
    r,
    stepOf("product", ["a", "a"], attributes, r.below(4) === 0),
    { a: r.floats(x.size) },
    y.size
  )
}

const same = (addon: Addon, kernels: string, bf16: boolean, make: (r: Random) => OneStep, count: number) =>
  Effect.gen(function* () {
    for (let seed = 1; seed <= count; seed++) {
      const one = make(random(seed))
      const wanted = expected(one)
      const scale = Math.max(1, ...wanted.map(Math.abs).filter(Number.isFinite))
      const { y = [] } = yield* ran(addon, { kernels, threads: 1, bf16 }, one)
      for (const [i, value] of y.entries())
        if (!(Math.abs(value - wanted[i]!) <= (bf16 ? 3e-2 : 3e-6) * scale))
          assert.fail(`seed ${seed}: y[${i}] is ${value}, not ${wanted[i]}: ${JSON.stringify(one.step)}`)
      for (const threads of [2, 5])
        assert.deepStrictEqual((yield* ran(addon, { kernels, threads, bf16 }, one)).y, y, `seed ${seed}`)
    }
  })

const tested = underTest()
if (tested !== undefined) {
  const { addon } = tested
  for (const kernels of tested.kernels)
    describe(`primitives on ${kernels}`, () => {
      it.live("map is its formula, whatever the views", () =>
        same(addon, kernels, false, (r) => formulaCase(r, false), 12)
      )
      it.live("reduce is its sum or largest, with the same bits for any number of threads", () =>
        same(addon, kernels, false, (r) => formulaCase(r, true), 12)
      )
      it.live("product is its sums, whatever the strides", () => same(addon, kernels, false, productCase, 8))
      it.live("product in bf16", () => same(addon, kernels, true, productCase, 4))
      it.live("product of a matrix with itself", () => same(addon, kernels, false, squareCase, 8))
      it.live("product of a matrix with itself in bf16", () => same(addon, kernels, true, squareCase, 4))
    })
}
