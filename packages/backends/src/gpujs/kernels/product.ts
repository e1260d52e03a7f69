/** The three matrix products of a linear layer, which everything large is made of. */
import type { Context, Lower, Value } from "../Lowering.ts"

const lanes = 4
const stride = 8

/**
 * Body of a kernel that sums a · b over `count` terms, whose places in the flat arrays are given as text. gpu.js keeps loop
 * counters as floats and would turn every index into one and back; `k | 0` makes whole-number indexes of a step of eight terms
 * at once, and four sums keep each addition from waiting for the one before.
 */
const dot = (count: number, placeA: (k: string) => string, placeB: (k: string) => string): string => {
  const whole = count - (count % stride)
  const names = Array.from({ length: lanes }, (_, lane) => `sum${lane}`)
  const term = (at: number, k: string) => `${names[at % lanes]} += a[${placeA(k)}] * b[${placeB(k)}];`
  const steps = Array.from({ length: stride }, (_, at) => term(at, `((k | 0) + ${at})`))
  const rest = Array.from({ length: count % stride }, (_, at) => term(at, `${whole + at}`))
  return [
    ...names.map((name) => `let ${name} = 0.0;`),
    ...(whole > 0 ? [`for (let k = 0; k < ${whole}; k += ${stride}) {`, ...steps, "}"] : []),
    ...rest,
    `return ${names.join(" + ")};`
  ].join("\n")
}

/** The same where matrices are nested arrays and have no flat places. */
const plainDot = (count: number, a: string, b: string): string =>
  `let sum = 0.0;
for (let k = 0; k < ${count}; k++) { sum += ${a} * ${b}; }
return sum;`

/** a [R, K] times the transpose of b [N, K]. */
export const timesTransposed = (context: Context, a: Value, b: Value): Value =>
  context.launch(
    a.rows,
    b.rows,
    [a, b],
    context.flat
      ? dot(
          a.columns,
          (k) => `this.thread.y * ${a.columns} + ${k}`,
          (k) => `this.thread.x * ${b.columns} + ${k}`
        )
      : plainDot(a.columns, "a[this.thread.y][k]", "b[this.thread.x][k]")
  )

/** a [R, K] times b [K, N]. */
export const times = (context: Context, a: Value, b: Value): Value =>
  context.launch(
    a.rows,
    b.columns,
    [a, b],
    context.flat
      ? dot(
          a.columns,
          (k) => `this.thread.y * ${a.columns} + ${k}`,
          (k) => `${k} * ${b.columns} + this.thread.x`
        )
      : plainDot(a.columns, "a[this.thread.y][k]", "b[k][this.thread.x]")
  )

/** The transpose of a [K, R] times b [K, N]. */
export const transposedTimes = (context: Context, a: Value, b: Value): Value =>
  context.launch(
    a.columns,
    b.columns,
    [a, b],
    context.flat
      ? dot(
          a.rows,
          (k) => `${k} * ${a.columns} + this.thread.y`,
          (k) => `${k} * ${b.columns} + this.thread.x`
        )
      : plainDot(a.rows, "a[k][this.thread.y]", "b[k][this.thread.x]")
  )

/** Sums over the rows of a [R, N], as [1, N]. */
export const sumRows = (context: Context, a: Value): Value =>
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
