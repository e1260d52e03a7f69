/** The three matrix products of a linear layer, which everything large is made of. */
import type { Shape } from "../../program/Program.ts"
import { sizeOf } from "../../program/Program.ts"
import type { View } from "../../program/primitives.ts"
import type { Context, Lower, Value } from "../Lowering.ts"

const stride = 8

/** A product: `count` terms for each output, and where in the flat arrays the factors of row y, column x and term k lie. */
export interface Product {
  readonly count: number
  readonly a: (y: string, k: string) => string
  readonly b: (k: string, x: string) => string
}

/** Writes a body for every term: a loop over whole strides, and the rest. */
const unrolled = (count: number, term: (k: string, at: number) => string): string => {
  const whole = count - (count % stride)
  const steps = Array.from({ length: stride }, (_, at) => term(`((k | 0) + ${at})`, at))
  const rest = Array.from({ length: count % stride }, (_, at) => term(`${whole + at}`, at))
  return [
    ...(whole > 0 ? [`for (let k = 0; k < ${whole}; k += ${stride}) {`, ...steps, "}"] : []),
    ...rest
  ].join("\n")
}

const sums = ["sum0", "sum1", "sum2", "sum3"]
const declared = sums.map((sum) => `let ${sum} = 0.0;`).join("\n")

/**
 * One output a thread. gpu.js keeps loop counters as floats and would turn every index into one and back; `k | 0` makes
 * whole-number indexes of a step of eight terms at once, and four sums keep each addition from waiting for the one before.
 */
const single = ({ a, b, count }: Product, before: string): string =>
  `${before}${declared}
${unrolled(count, (k, at) => `${sums[at % 4]} += a[${a("this.thread.y", k)}] * b[${b(k, "this.thread.x")}];`)}
return ${sums.join(" + ")};`

/** Four neighbouring columns a thread, for a GPU: each factor of a is loaded once for four products. */
const fourColumns = ({ a, b, count }: Product, before: string): string =>
  `${before}${declared}
${unrolled(count, (k, at) =>
  [
    `const factor${at} = a[${a("this.thread.y", k)}];`,
    ...sums.map((sum, lane) => `${sum} += factor${at} * b[${b(k, `(this.thread.x * 4 + ${lane})`)}];`)
  ].join("\n")
)}
return [${sums.join(", ")}];`

/**
 * Four rows of one column a thread, for WebAssembly: its vectors run along x, so that a factor of b is gathered once, which is
 * dear, for four products with factors of a, which are the same for a whole vector and cheap. The four lie side by side in the
 * result, so a row of it is four rows of the product, interleaved.
 */
const fourRows = ({ a, b, count }: Product, further: boolean): string =>
  `${declared}
${unrolled(count, (k, at) =>
  [
    `const factor${at} = b[${b(k, "this.thread.x")}];`,
    ...sums.map((sum, row) => `${sum} += a[${a(`(this.thread.y * 4 + ${row})`, k)}] * factor${at};`)
  ].join("\n")
)}
return [${sums.map((sum, row) => (further ? `${sum} + c[this.thread.y][this.thread.x * 4 + ${row}]` : sum)).join(", ")}];`

/** Terms that one launch adds up: more of b would not stay in a processor's cache from one row of threads to the next. */
const mostTerms = 2000

/** The product with its rows interleaved in fours: [rows / 4, columns × 4]. `before` may declare what the places need. */
export const interleaved = (
  context: Context,
  [a, b]: readonly [Value, Value],
  [rows, columns]: readonly [number, number],
  product: Product,
  before = ""
): Value => {
  let sum: Value | undefined
  for (let first = 0; first < product.count; first += mostTerms) {
    const term = (k: string) => (first === 0 ? k : `(${k} + ${first})`)
    const part: Product = {
      count: Math.min(mostTerms, product.count - first),
      a: (y, k) => product.a(y, term(k)),
      b: (k, x) => product.b(term(k), x)
    }
    const body = `${before}\n${fourRows(part, sum !== undefined)}`
    sum = context.launch(rows / 4, columns * 4, sum === undefined ? [a, b] : [a, b, sum], body, true)
  }
  // Shapes have no zeros, so there was at least one part.
  return sum!
}

/** Whether a product of so many rows is made four rows a thread. */
export const byFourRows = ({ dialect }: Context, rows: number): boolean =>
  dialect.four === "rows" && rows % 4 === 0

/** Takes the rows of such a result apart. */
const unpack = `const group = Math.floor((this.thread.y + 0.5) / 4.0);
const row = this.thread.y - group * 4;
return a[group][this.thread.x * 4 + row];`

/** Where matrices are nested arrays and have no flat places. */
const nested = (count: number, a: string, b: string): string =>
  `let sum = 0.0;
for (let k = 0; k < ${count}; k++) { sum += ${a} * ${b}; }
return sum;`

/** A product where matrices can be read as flat arrays. `before` declares what the places need; every four rows share its values. */
const flatProduct = (
  context: Context,
  [a, b]: readonly [Value, Value],
  [rows, columns]: readonly [number, number],
  product: Product,
  before: { readonly byRow: string; readonly byFour?: string | undefined }
): Value => {
  if (context.dialect.four === "columns" && columns % 4 === 0)
    return context.launch(rows, columns, [a, b], fourColumns(product, before.byRow), true)
  if (byFourRows(context, rows) && before.byFour !== undefined)
    return context.launch(
      rows,
      columns,
      [interleaved(context, [a, b], [rows, columns], product, before.byFour)],
      unpack
    )
  return context.launch(rows, columns, [a, b], single(product, before.byRow))
}

const multiply = (
  context: Context,
  [a, b]: readonly [Value, Value],
  [rows, columns]: readonly [number, number],
  product: Product,
  [nestedA, nestedB]: readonly [string, string]
): Value =>
  context.dialect.flat
    ? flatProduct(context, [a, b], [rows, columns], product, { byRow: "", byFour: "" })
    : context.launch(rows, columns, [a, b], nested(product.count, nestedA, nestedB))

/**
 * The batched product of views: shape [.., M, N, K], a over [.., M, K] and b over [.., N, K]. Gives a matrix with the rows of every batch
 * entry one after the other, [.. · M, N].
 */
export const strided = (
  context: Context,
  [a, b]: readonly [Value, Value],
  shape: Shape,
  [viewA, viewB]: readonly [View, View]
): Value => {
  const [m, n, k] = shape.slice(-3) as [number, number, number]
  const batch = shape.slice(0, -3)
  const rows = sizeOf(batch) * m
  const [strideM, strideKOfA] = viewA.strides.slice(-2) as [number, number]
  const [strideN, strideKOfB] = viewB.strides.slice(-2) as [number, number]
  const isBatched = batch.some((side) => side > 1)
  /** Declares the first row of a batch entry, and where the entry begins in a and in b. */
  const entry = (row: string, size: number): string => {
    if (!isBatched) return ""
    const lines = [`const entry = Math.floor((${row} + 0.5) / ${size}.0);`]
    let [rest, size0, a, b] = ["entry", sizeOf(batch), `${viewA.offset}`, `${viewB.offset}`]
    for (const [axis, side] of batch.entries()) {
      size0 /= side
      const at = size0 === 1 ? rest : `batch${axis}`
      if (size0 > 1) {
        lines.push(
          `const ${at} = Math.floor((${rest} + 0.5) / ${size0}.0);`,
          `const rest${axis} = ${rest} - ${at} * ${size0};`
        )
        rest = `rest${axis}`
      }
      a += ` + ${at} * ${viewA.strides[axis]}`
      b += ` + ${at} * ${viewB.strides[axis]}`
      if (size0 === 1) break
    }
    lines.push(`const firstRow = entry * ${m};`, `const startA = ${a};`, `const startB = ${b};`)
    return `${lines.join("\n")}\n`
  }
  const [startA, startB] = isBatched
    ? ["(startA | 0)", "(startB | 0)"]
    : [`${viewA.offset}`, `${viewB.offset}`]
  const row = (y: string) => (isBatched ? `(${y} - (firstRow | 0))` : y)
  return flatProduct(
    context,
    [a, b],
    [rows, n],
    {
      count: k,
      a: (y, k) => `${startA} + ${row(y)} * ${strideM} + ${k} * ${strideKOfA}`,
      b: (k, x) => `${startB} + ${x} * ${strideN} + ${k} * ${strideKOfB}`
    },
    {
      byRow: entry("this.thread.y", m),
      byFour: isBatched && m % 4 !== 0 ? undefined : entry("this.thread.y", m / 4)
    }
  )
}

/** a [R, K] times the transpose of b [N, K]. */
export const timesTransposed = (context: Context, a: Value, b: Value): Value =>
  multiply(
    context,
    [a, b],
    [a.rows, b.rows],
    {
      count: a.columns,
      a: (y, k) => `${y} * ${a.columns} + ${k}`,
      b: (k, x) => `${x} * ${b.columns} + ${k}`
    },
    ["a[this.thread.y][k]", "b[this.thread.x][k]"]
  )

/** a [R, K] times b [K, N]. */
export const times = (context: Context, a: Value, b: Value): Value =>
  multiply(
    context,
    [a, b],
    [a.rows, b.columns],
    {
      count: a.columns,
      a: (y, k) => `${y} * ${a.columns} + ${k}`,
      b: (k, x) => `${k} * ${b.columns} + ${x}`
    },
    ["a[this.thread.y][k]", "b[k][this.thread.x]"]
  )

/** The transpose of a [K, R] times b [K, N]. */
export const transposedTimes = (context: Context, a: Value, b: Value): Value =>
  multiply(
    context,
    [a, b],
    [a.columns, b.columns],
    {
      count: a.rows,
      a: (y, k) => `${k} * ${a.columns} + ${y}`,
      b: (k, x) => `${k} * ${b.columns} + ${x}`
    },
    ["a[k][this.thread.y]", "b[k][this.thread.x]"]
  )

/** Sums over the rows of a [R, N], as [1, N]. */
const sumRows = (context: Context, a: Value): Value =>
  context.launch(
    1,
    a.columns,
    [a],
    `let sum = 0.0;
for (let r = 0; r < ${a.rows}; r++) { sum += a[r][this.thread.x]; }
return sum;`
  )

export const linear: Lower = (context) => {
  const product = timesTransposed(context, context.input(0), context.input(1))
  context.put(
    0,
    context.has(2)
      ? context.launch(
          product.rows,
          product.columns,
          [product, context.input(2)],
          "return a[this.thread.y][this.thread.x] + b[0][this.thread.x];"
        )
      : product
  )
}

export const linearBackwardInput: Lower = (context) =>
  context.put(0, times(context, context.input(0), context.input(1)))

export const linearBackwardWeight: Lower = (context) => {
  const dy = context.input(0)
  if (context.wants(0)) context.put(0, transposedTimes(context, dy, context.input(1)))
  if (context.wants(1)) context.put(1, sumRows(context, dy))
}
