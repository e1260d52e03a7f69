/** Kernels for the primitives `map`, `reduce` and `product`, generated from their formulas and views. */
import { parse } from "../../program/Formula.ts"
import type { Shape } from "../../program/Program.ts"
import { sizeOf } from "../../program/Program.ts"
import {
  type MapAttributes,
  mapAttributes,
  productAttributes,
  reduceAttributes,
  type View
} from "../../program/primitives.ts"
import { type Printed, print } from "../formulas.ts"
import { type Context, type Lower, matrix, type Value } from "../Lowering.ts"
import { Places, stridesOf } from "../places.ts"
import { strided } from "./product.ts"

/** Formulas of values: a map or a reduction whose inputs need not be tensors of the program. */
interface Work {
  readonly shape: Shape
  readonly formula: string
  readonly names: ReadonlyArray<string>
  readonly values: ReadonlyArray<Value>
  /** Of the inputs. */
  readonly views: ReadonlyArray<View>
  readonly output: View
  readonly result: Shape
  /** What elements outside the output's view keep; zero unless told. */
  readonly before?: Value | undefined
}

/** How the axes after the result's become one value. */
interface Reduction {
  readonly kind: "sum" | "max"
  /** The axes, by number. */
  readonly over: ReadonlyArray<number>
  /** Of one of them only `size` neighbouring coordinates, which a further, last axis of the shape counts. */
  readonly part?: { readonly axis: number; readonly size: number }
}

const rowMajor = (shape: Shape): View => ({ offset: 0, strides: stridesOf(shape) })

const isEmpty = (shape: Shape, { high, low }: View): boolean =>
  shape.some((side, axis) => Math.min(side, high?.[axis] ?? side) <= Math.max(0, low?.[axis] ?? 0))

const indented = (lines: ReadonlyArray<string>): ReadonlyArray<string> => lines.map((line) => `  ${line}`)

/** Arguments of a kernel, each value once. */
class Arguments {
  readonly values: Array<Value> = []
  name(value: Value): string {
    let at = this.values.findIndex(({ id }) => id === value.id)
    if (at === -1) at = this.values.push(value) - 1
    return "abcdefghijklmnop"[at]!
  }
}

/** The formula at a thread's coordinates, and what it reads for that. */
const element = (work: Work, places: Places, args: Arguments): Printed => {
  const statements: Array<string> = []
  const inputs = work.values.map((value, index) => {
    const name = `x${index}`
    const reading = places.read(args.name(value), work.shape, work.views[index]!, value, name)
    statements.push(...reading.statements, `const ${name} = ${reading.value};`)
    return name
  })
  const formula = print(parse(work.formula, work.names), inputs, (axis) => places.coordinate(axis))
  return { statements: [...statements, ...formula.statements], value: formula.value }
}

/** Loops over the reduced axes around the statements for one element. */
const looped = (
  { over, part }: Reduction,
  shape: Shape,
  places: Places,
  inner: () => ReadonlyArray<string>
): ReadonlyArray<string> => {
  for (const axis of over) places.loop(axis, shape[axis]!, part?.axis === axis ? "partAt" : `loop${axis}`)
  const start = part === undefined ? "" : `${places.coordinate(shape.length - 1)} * ${part.size}`
  return over.toReversed().reduce<ReadonlyArray<string>>((body, axis) => {
    const side = shape[axis]!
    const counted = part?.axis === axis ? part.size : side
    const within =
      part?.axis !== axis
        ? body
        : [
            `const partAt = loop${axis} + ${start};`,
            ...(side % part.size === 0 ? body : [`if (partAt < ${side}) {`, ...indented(body), "}"])
          ]
    return [`for (let loop${axis} = 0; loop${axis} < ${counted}; loop${axis}++) {`, ...indented(within), "}"]
  }, inner())
}

const reduced = (work: Work, reduction: Reduction, places: Places, args: Arguments): Printed => {
  const loops = looped(reduction, work.shape, places, () => {
    const { statements, value } = element(work, places, args)
    return [
      ...statements,
      ...(reduction.kind === "sum"
        ? [`total += ${value};`]
        : [
            `if (count > 0.5) { total = Math.max(total, ${value}); }`,
            `if (count < 0.5) { total = ${value}; }`,
            "count = 1.0;"
          ])
    ]
  })
  const start = reduction.kind === "sum" ? ["let total = 0.0;"] : ["let total = 0.0;", "let count = 0.0;"]
  return { statements: [...start, ...loops], value: "total" }
}

/** One kernel that makes a matrix of the result's shape. */
const compute = (context: Context, work: Work, reduction?: Reduction): Value => {
  const sides = matrix(work.result)
  const own =
    reduction === undefined
      ? work.shape
      : work.shape.map((side, axis) => (reduction.over.includes(axis) ? 1 : side))
  if (isEmpty(own, work.output))
    return work.before ?? context.launch(sides.rows, sides.columns, [], "return 0.0;")
  const args = new Arguments()
  const places = new Places(own, work.output, sides)
  const { statements, value } =
    reduction === undefined ? element(work, places, args) : reduced(work, reduction, places, args)
  const before = work.before === undefined ? "0.0" : `${args.name(work.before)}[this.thread.y][this.thread.x]`
  const result = places.isPartial
    ? [`let result = ${before};`, `if (inside > 0.5) { result = ${value}; }`, "return result;"]
    : [`return ${value};`]
  return context.launch(
    sides.rows,
    sides.columns,
    args.values,
    [...places.statements, ...statements, ...result].join("\n")
  )
}

/** More terms than this are added up in parts where there are few results, so that many threads share them. */
const fewTerms = 512
const manyThreads = 1024

const reduceValues = (context: Context, work: Work, kind: "sum" | "max", over: number): Value => {
  const count = work.shape.length - over
  const [outer, inner] = [work.shape.slice(0, count), work.shape.slice(count)]
  const axes = inner.map((_, index) => count + index)
  // The output's view has no strides for the reduced axes, which have one coordinate to it.
  const spread = (view: View): View => ({ ...view, strides: [...view.strides, ...inner.map(() => 0)] })
  const longest = inner.indexOf(Math.max(...inner))
  const parts = Math.min(inner[longest]!, Math.ceil(manyThreads / sizeOf(outer)))
  if (sizeOf(inner) <= fewTerms || parts === 1)
    return compute(context, { ...work, output: spread(work.output) }, { kind, over: axes })
  const size = Math.ceil(inner[longest]! / parts)
  const made = Math.ceil(inner[longest]! / size)
  const partial = compute(
    context,
    {
      ...work,
      shape: [...work.shape, made],
      views: work.views.map(({ high, low, offset, strides }) => ({
        offset,
        strides: [...strides, 0],
        ...(low === undefined ? {} : { low: [...low, 0] }),
        ...(high === undefined ? {} : { high: [...high, made] })
      })),
      output: { offset: 0, strides: [...stridesOf([...outer, made]).slice(0, -1), ...inner.map(() => 0), 1] },
      result: [sizeOf(outer), made],
      before: undefined
    },
    { kind, over: axes, part: { axis: count + longest, size } }
  )
  const shape = [...outer, made]
  return compute(
    context,
    {
      ...work,
      shape,
      formula: "x",
      names: ["x"],
      values: [partial],
      views: [rowMajor(shape)],
      output: { ...work.output, strides: [...work.output.strides, 0] }
    },
    { kind, over: [count] }
  )
}

/** The values of a step's inputs; whole numbers come from the host. */
const inputsOf = (context: Context): ReadonlyArray<Value> =>
  context.step.inputs.map((name, index) =>
    context.type(index) === "f32" ? context.input(index) : context.integers(name)
  )

const workOf = (context: Context, { formula, names, result, shape, views }: MapAttributes): Work => ({
  shape,
  formula,
  names,
  values: inputsOf(context),
  views: views.slice(0, -1),
  output: views.at(-1)!,
  result,
  before: context.before(0)
})

export const map: Lower = (context) =>
  context.put(0, compute(context, workOf(context, mapAttributes(context.step))))

export const reduce: Lower = (context) => {
  const attributes = reduceAttributes(context.step)
  context.put(0, reduceValues(context, workOf(context, attributes), attributes.kind, attributes.over))
}

export const product: Lower = (context) => {
  const { result, shape, views } = productAttributes(context.step)
  const [viewA, viewB, output] = views
  const [m, n] = shape.slice(-3, -1) as [number, number]
  const batch = shape.slice(0, -3)
  const made = [...batch, m, n]
  const [a, b] = [context.input(0), context.input(1)]
  if (!context.dialect.flat) {
    // Matrices are nested arrays there: a sum like any other.
    const expanded = (view: View, at: number): View => ({
      ...view,
      strides: view.strides.toSpliced(batch.length + at, 0, 0)
    })
    const work: Work = {
      shape,
      formula: "a * b",
      names: ["a", "b"],
      values: [a, b],
      views: [expanded(viewA, 1), expanded(viewB, 0)],
      output,
      result,
      before: context.before(0)
    }
    return context.put(0, reduceValues(context, work, "sum", 1))
  }
  const products = strided(context, [a, b], shape, [viewA, viewB])
  const sides = matrix(result)
  const straight = rowMajor(made)
  const isStraight =
    sides.columns === n &&
    sides.rows === sizeOf(made) / n &&
    output.offset === 0 &&
    made.every((side, axis) => side === 1 || output.strides[axis] === straight.strides[axis])
  context.put(
    0,
    isStraight
      ? products
      : compute(context, {
          shape: made,
          formula: "x",
          names: ["x"],
          values: [products],
          views: [straight],
          output,
          result,
          before: context.before(0)
        })
  )
}
