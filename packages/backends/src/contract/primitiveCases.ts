/**
 * Programs of one primitive on random shapes through random views: transposed, sliced, padded and broadcast inputs, results in parts of a
 * tensor, added and in place.
 */
import type { Pick } from "../program/Example.ts"
import type { Shape } from "../program/Operation.ts"
import type { Attributes, Tensor } from "../program/Program.ts"
import type { PrimitiveName, View } from "../program/primitives.ts"
import * as Strided from "../program/StridedArray.ts"
import { type Case, Draft } from "./Draft.ts"
import { picker } from "./Picker.ts"

interface Viewed {
  readonly tensor: Tensor
  readonly view: View
}

type Change = "same" | "larger" | "smaller" | "one"

const changed = (pick: Pick, size: number, change: Change): { before: number; length: number } => {
  if (change === "larger") {
    const before = pick.integer(0, 3)
    return { before, length: before + size + pick.integer(0, 3) }
  }
  if (change === "smaller" && size > 1) {
    const length = pick.integer(1, size - 1)
    return { before: -pick.integer(0, size - length), length }
  }
  return { before: 0, length: change === "one" ? 1 : size }
}

/** A tensor that `make` makes, seen in `shape` through a view that differs from it axis by axis as `changes` allow. */
const seen = (
  pick: Pick,
  shape: Shape,
  changes: ReadonlyArray<Change>,
  make: (shape: Shape) => Tensor
): Viewed => {
  const axes = [...shape.keys()]
  const order = pick.from(axes, axes.toReversed(), [...axes.slice(1), ...axes.slice(0, 1)])
  const parts = order.map((axis) => changed(pick, shape[axis]!, pick.from(...changes)))
  const tensor = make(parts.length === 0 ? [1] : parts.map(({ length }) => length))
  let array = Strided.whole(tensor)
  if (parts.length === 0) array = Strided.reshape(array, [])!
  for (const [at, { before, length }] of parts.entries()) {
    const size = shape[order[at]!]!
    if (length > size || (before > 0 && length > before))
      array = Strided.slice(array, at, before, before + size)
    else if (length < size && length > 1) array = Strided.pad(array, at, -before, size - length + before)
  }
  const back = order.map((_, axis) => order.indexOf(axis))
  const turned = Strided.transpose(array, back)
  const padded = turned.shape.reduce(
    (one, side, axis) =>
      side === 1 && shape[axis] !== 1 && !changes.includes("one")
        ? Strided.pad(one, axis, 0, shape[axis]! - 1)
        : one,
    turned
  )
  return { tensor, view: Strided.broadcast(padded, shape)!.view }
}

const formulas: ReadonlyArray<ReadonlyArray<string>> = [
  ["1.5", "i0 * 2 - 1", "floor(i0 / 3)"],
  [
    "a",
    "-a",
    "a * sigmoid(a)",
    "exp(a) + tanh(a)",
    "max(a, 0.25)",
    "where(less(a, 0), abs(a), pow(a, 2))",
    "sin(a) * cos(a) + i0",
    "sqrt(abs(a)) - log(abs(a) + 1)"
  ],
  [
    "a * b",
    "a / (abs(b) + 1)",
    "where(less(i0, 2), a, b)",
    "min(a, b) - max(a, b) * 0.5",
    "where(equal(floor(a * 2), floor(b * 2)), a, -b)"
  ],
  ["a * b + c", "where(less(a, b), c, a - c)", "a - b - c"]
]

const shapeOf = (pick: Pick, least: number, most: number, limit: number): Shape =>
  Array.from({ length: pick.integer(least, most) }, () => pick.side(limit))

const inputChanges: ReadonlyArray<Change> = ["same", "same", "larger", "smaller"]
const broadcastChanges: ReadonlyArray<Change> = ["same", "same", "larger", "one"]

/** Inputs of a formula: their tensors and views, and the formula. */
const elements = (pick: Pick, d: Draft, shape: Shape, count: number) => {
  const names = ["a", "b", "c"].slice(0, count)
  const inputs = names.map((name) =>
    seen(pick, shape, pick.boolean() ? inputChanges : broadcastChanges, (own) =>
      pick.integer(0, 5) === 0 ? d.integers(name, own, 5, -3) : d.floats(name, own, 2)
    )
  )
  return { inputs, names, formula: pick.from(...formulas[count]!) }
}

/** Appends the step: a result of its own, or one in a part of a session tensor, replaced or added to. */
const append = (
  pick: Pick,
  d: Draft,
  operation: PrimitiveName,
  { attributes, inputs, outer }: { attributes: Attributes; inputs: ReadonlyArray<Viewed>; outer: Shape },
  mode: { readonly bounds: boolean; readonly adds: boolean }
): Case => {
  const tensors = inputs.map(({ tensor }) => tensor)
  const views = inputs.map(({ view }) => view)
  const asData = (all: ReadonlyArray<View>) => all.map(({ ...view }) => view as unknown as Attributes)
  if (pick.integer(0, 2) === 0) {
    const result = outer.length === 0 ? [1] : outer
    const view = { offset: 0, strides: Strided.rowMajor(outer) }
    d.step(operation, tensors, { ...attributes, views: asData([...views, view]), result })
    return d.done()
  }
  const changes: ReadonlyArray<Change> = mode.bounds ? ["same", "larger", "smaller"] : ["same", "larger"]
  const target = seen(pick, outer, changes, (own) => d.held("target", own))
  const all = asData([...views, target.view])
  d.builder.step(
    operation,
    tensors,
    { ...attributes, views: all, result: target.tensor.shape },
    {
      outputs: [target.tensor],
      accumulate: mode.adds && pick.boolean() ? [target.tensor] : []
    }
  )
  return d.done()
}

const map = (seed: number): Case => {
  const pick = picker(seed)
  const d = new Draft("map", seed)
  const shape = shapeOf(pick, 1, 4, pick.from(5, 9, 17))
  const { formula, inputs, names } = elements(pick, d, shape, pick.integer(0, 3))
  return append(
    pick,
    d,
    "map",
    { attributes: { shape, formula, names }, inputs, outer: shape },
    { bounds: true, adds: true }
  )
}

/** A session tensor that is updated in place. */
const mapInPlace = (seed: number): Case => {
  const pick = picker(seed)
  const d = new Draft("map", seed)
  const shape = shapeOf(pick, 1, 3, pick.from(5, 33))
  const { inputs } = elements(pick, d, shape, 1)
  const target = seen(pick, shape, ["same", "larger"], (own) => d.held("target", own))
  const all = [...inputs, target]
  d.builder.step(
    "map",
    all.map(({ tensor }) => tensor),
    {
      shape,
      formula: pick.from("t * 0.5 + a", "where(less(a, 0), t, a)"),
      names: ["a", "t"],
      views: [...all, target].map(({ view: { ...view } }) => view as unknown as Attributes),
      result: target.tensor.shape
    },
    { outputs: [target.tensor] }
  )
  return d.done()
}

const reduce = (seed: number): Case => {
  const pick = picker(seed)
  const d = new Draft("reduce", seed)
  const shape = [...shapeOf(pick, 0, 3, pick.from(5, 9, 17)), pick.side(pick.from(9, 257))]
  const over = pick.integer(1, shape.length)
  const kind = pick.from("sum", "max")
  const { formula, inputs, names } = elements(pick, d, shape, pick.integer(1, 3))
  return append(
    pick,
    d,
    "reduce",
    {
      attributes: { shape, formula, names, kind, over },
      inputs,
      outer: shape.slice(0, shape.length - over)
    },
    { bounds: true, adds: kind === "sum" }
  )
}

const product = (seed: number): Case => {
  const pick = picker(seed)
  const d = new Draft("product", seed)
  const batch = shapeOf(pick, 0, 2, 4)
  const limit = pick.from(9, 33, 129)
  const [m, n, k] = [pick.side(limit), pick.side(limit), pick.side(limit)]
  const input = (name: string, rows: number) =>
    seen(pick, [...batch, rows, k], pick.boolean() ? ["same"] : broadcastChanges, (own) =>
      d.floats(name, own)
    )
  const inputs = [input("a", m), input("b", n)]
  return append(
    pick,
    d,
    "product",
    { attributes: { shape: [...batch, m, n, k] }, inputs, outer: [...batch, m, n] },
    { bounds: false, adds: true }
  )
}

const gather = (seed: number): Case => {
  const pick = picker(seed)
  const d = new Draft("gather", seed)
  const [rows, width] = [pick.side(65), pick.side(65)]
  const index = d.integers("index", shapeOf(pick, 1, 3, 9), rows, -1)
  d.step("gather", [d.floats("table", [rows, width]), index], {}, [pick.from("activation", "replace", "add")])
  return d.done()
}

const scatterAdd = (seed: number): Case => {
  const pick = picker(seed)
  const d = new Draft("scatterAdd", seed)
  const [rows, width] = [pick.side(65), pick.side(65)]
  const index = d.integers("index", shapeOf(pick, 1, 3, 9), rows, -1)
  d.step("scatterAdd", [d.floats("x", [...index.shape, width]), index], { rows }, [
    pick.from("activation", "replace", "add")
  ])
  return d.done()
}

/** Cases of each primitive by seed. */
export const primitiveCases: Readonly<Record<PrimitiveName | "map in place", (seed: number) => Case>> = {
  map,
  "map in place": mapInPlace,
  reduce,
  product,
  gather,
  scatterAdd
}
