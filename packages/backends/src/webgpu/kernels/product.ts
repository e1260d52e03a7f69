/**
 * The primitive `product`, tiled: a workgroup of 256 threads takes a tile of the result, loads strips of both matrices into workgroup memory
 * and each thread sums a part of the tile in registers. Products with few tiles and long sums are taken in parts that are added up after.
 */
import type { Shape } from "../../program/Program.ts"
import { sizeOf } from "../../program/Program.ts"
import { productAttributes, type View } from "../../program/primitives.ts"
import { coordinates, indexOf } from "../elements.ts"
import { KernelText, type Value } from "../KernelText.ts"
import { type Context, type Lower, type Result, store } from "../Lowering.ts"
import { reduceInto } from "./reduce.ts"

/** A matrix of a product: a buffer, and its view with axes [.., rows, columns]. */
export interface Operand {
  readonly value: Value
  readonly view: View
}

export interface Product {
  /** [.., M, N, K] */
  readonly shape: Shape
  readonly a: Operand
  readonly b: Operand
  readonly y: Operand & Result
  /** What is stored instead of a sum: an expression over `value`, `m` and `n`, which may read buffers. */
  readonly finish?: (kernel: KernelText) => string
}

const threads = 16

/** Sides of a tile and depth of a strip. */
interface Tile {
  readonly rows: number
  readonly columns: number
  readonly depth: number
}

const tileOf = (m: number, n: number): Tile => {
  const side = (length: number, other: number) =>
    length >= 512 && other >= 512 ? 128 : length > 32 ? 64 : 32
  const [rows, columns] = [side(m, n), side(n, m)]
  return { rows, columns, depth: rows + columns > 128 ? 8 : 16 }
}

/** Statements that load a strip into workgroup memory, [depth][side + 1], neighbouring threads along the smaller stride. */
const loads = (
  strip: string,
  buffer: string,
  at: { readonly base: string; readonly first: string; readonly count: number; readonly side: number },
  [strideRow, strideDepth]: readonly [number, number],
  depth: number,
  isWhole: boolean
): ReadonlyArray<string> => {
  const elements = at.side * depth
  const alongDepth = Math.abs(strideDepth) < Math.abs(strideRow)
  const statements: Array<string> = []
  for (let from = 0; from < elements; from += threads * threads) {
    const [row, k] = alongDepth
      ? [`(lane + ${from}) / ${depth}`, `(lane + ${from}) % ${depth}`]
      : [`(lane + ${from}) % ${at.side}`, `(lane + ${from}) / ${at.side}`]
    const index = indexOf(0, [1, strideRow, strideDepth], (axis) => [at.base, "row", "k"][axis]!)
    const load = `number = ${buffer}[${index}];`
    const guards = [
      ...(at.count % at.side === 0 ? [] : [`row < ${at.count}`]),
      ...(isWhole ? [] : ["k < last"])
    ]
    statements.push(
      "{",
      `let inRow = ${row};`,
      `let inDepth = ${k};`,
      `let row = ${at.first} + inRow;`,
      "let k = strip + inDepth;",
      "var number = 0f;",
      guards.length === 0 ? load : `if (${guards.join(" && ")}) { ${load} }`,
      `${strip}[inDepth * ${at.side + 1} + inRow] = number;`,
      "}"
    )
  }
  return statements
}

const range = (count: number) => [...Array(count).keys()]

/** Statements that add a strip to the sums of a thread's part of the tile. */
const multiply = ({ columns, depth, rows }: Tile): ReadonlyArray<string> => {
  const [down, across] = [rows / threads, columns / threads]
  return [
    `for (var k = 0; k < ${depth}; k = k + 1) {`,
    ...range(across).map((j) => `let b${j} = stripB[k * ${columns + 1} + x + ${j * threads}];`),
    ...range(down).flatMap((i) => [
      `let a${i} = stripA[k * ${rows + 1} + y + ${i * threads}];`,
      ...range(across).map((j) => `sum${i}_${j} = sum${i}_${j} + a${i} * b${j};`)
    ]),
    "}"
  ]
}

/** The dispatch of a product, `parts` of whose sums go to different places of the result: see `strided`. */
const tiled = (operation: string, product: Product, parts: number, partStride: number) => {
  const { a, b, finish, shape, y } = product
  const [m, n, k] = shape.slice(-3) as [number, number, number]
  const batch = shape.slice(0, -3)
  const tile = tileOf(m, n)
  const [down, across] = [Math.ceil(m / tile.rows), Math.ceil(n / tile.columns)]
  const chunk = Math.ceil(k / parts / tile.depth) * tile.depth
  const kernel = new KernelText()
  const [nameA, nameB] = [kernel.read(a.value), kernel.read(b.value)]
  const name = (axis: number) => `batch${axis}`
  const base = ({ view }: Operand) => indexOf(view.offset, view.strides.slice(0, -2), name)
  const matrix = ({ view }: Operand) => view.strides.slice(-2) as unknown as readonly [number, number]
  const strideY = matrix(y)
  const isWhole = k % tile.depth === 0
  const text = finish?.(kernel) ?? "value"
  const put = (i: number, j: number) => {
    const guards = [
      ...(m % tile.rows === 0 ? [] : [`m < ${m}`]),
      ...(n % tile.columns === 0 ? [] : [`n < ${n}`])
    ]
    const index = indexOf(0, [1, strideY[0], strideY[1]], (axis) => ["baseY", "m", "n"][axis]!)
    const stored = store(kernel, y, index, text)
    return [
      "{",
      `let m = firstM + y + ${i * threads};`,
      `let n = firstN + x + ${j * threads};`,
      `let value = sum${i}_${j};`,
      guards.length === 0 ? stored : `if (${guards.join(" && ")}) { ${stored} }`,
      "}"
    ]
  }
  const outputs = range(tile.rows / threads).flatMap((i) =>
    range(tile.columns / threads).map((j) => [i, j] as const)
  )
  return kernel.done(operation, {
    size: threads * threads,
    groups: sizeOf(batch) * parts * down * across,
    declarations: [
      `var<workgroup> stripA: array<f32, ${tile.depth * (tile.rows + 1)}>;`,
      `var<workgroup> stripB: array<f32, ${tile.depth * (tile.columns + 1)}>;`
    ],
    body: [
      `let y = lane / ${threads};`,
      `let x = lane % ${threads};`,
      `let tileN = group % ${across};`,
      `let afterN = group / ${across};`,
      `let tileM = afterN % ${down};`,
      `let afterM = afterN / ${down};`,
      `let part = afterM % ${parts};`,
      `let whole = afterM / ${parts};`,
      ...coordinates("whole", batch, name),
      `let firstM = tileM * ${tile.rows};`,
      `let firstN = tileN * ${tile.columns};`,
      `let baseA = ${base(a)};`,
      `let baseB = ${base(b)};`,
      `let baseY = ${base(y)} + part * ${partStride};`,
      `let last = min(${k}, (part + 1) * ${chunk});`,
      ...outputs.map(([i, j]) => `var sum${i}_${j} = 0f;`),
      `for (var strip = part * ${chunk}; strip < last; strip = strip + ${tile.depth}) {`,
      ...loads(
        "stripA",
        nameA,
        { base: "baseA", first: "firstM", count: m, side: tile.rows },
        matrix(a),
        tile.depth,
        isWhole
      ),
      ...loads(
        "stripB",
        nameB,
        { base: "baseB", first: "firstN", count: n, side: tile.columns },
        matrix(b),
        tile.depth,
        isWhole
      ),
      "workgroupBarrier();",
      ...multiply(tile),
      "workgroupBarrier();",
      "}",
      ...outputs.flatMap(([i, j]) => put(i, j))
    ]
  })
}

/** Parts of a sum: enough that there are workgroups for many processors, none of them short. */
const partsOf = (shape: Shape): number => {
  const [m, n, k] = shape.slice(-3) as [number, number, number]
  const { columns, rows } = tileOf(m, n)
  const tiles = sizeOf(shape.slice(0, -3)) * Math.ceil(m / rows) * Math.ceil(n / columns)
  return Math.max(1, Math.min(Math.floor(128 / tiles), Math.floor(k / 256), 64))
}

/** Few rows or columns: every element is a sum by itself, and a tile would be empty for the most part. */
const isNarrow = (shape: Shape): boolean => Math.min(shape.at(-3)!, shape.at(-2)!) <= 4

/** Whether a product is one dispatch of whole sums, so that it can finish them. */
export const isWhole = (shape: Shape): boolean => !isNarrow(shape) && partsOf(shape) === 1

/** Appends the dispatches of a product. */
export const productInto = (context: Context, product: Product): void => {
  const { a, b, finish, shape, y } = product
  const operation = context.step.operation
  if (finish === undefined && isNarrow(shape)) {
    // Axes [.., M, N, K] of both: a has no N, b no M.
    const spread = ({ view }: Operand, axis: number): View => ({
      offset: view.offset,
      strides: view.strides.toSpliced(view.strides.length - axis, 0, 0)
    })
    const reduction = {
      shape,
      formula: "a * b",
      names: ["a", "b"],
      views: [spread(a, 1), spread(b, 2), y.view],
      over: 1,
      kind: "sum" as const
    }
    reduceInto(context, reduction, (index) => (index === 0 ? a : b).value, y)
    return
  }
  const parts = finish === undefined ? partsOf(shape) : 1
  if (parts === 1) {
    context.dispatch(tiled(operation, product, 1, 0))
    return
  }
  const results = shape.slice(0, -1)
  const count = sizeOf(results)
  const scratch = { value: context.scratch(count * parts), adds: false }
  const strides = results.map((_, axis) => sizeOf(results.slice(axis + 1)))
  context.dispatch(
    tiled(operation, { ...product, y: { ...scratch, view: { offset: 0, strides } } }, parts, count)
  )
  const reduction = {
    shape: [...results, parts],
    formula: "a",
    names: ["a"],
    views: [{ offset: 0, strides: [...strides, count] }, y.view],
    over: 1,
    kind: "sum" as const
  }
  reduceInto(context, reduction, () => scratch.value, y)
}

export const product: Lower = (context) => {
  const { shape, views } = productAttributes(context.step)
  const [a, b, y] = views
  productInto(context, {
    shape,
    a: { value: context.input(0), view: a },
    b: { value: context.input(1), view: b },
    y: { ...context.output(0)!, view: y }
  })
}
