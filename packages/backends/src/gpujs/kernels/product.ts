/** The three matrix products of a linear layer, which everything large is made of. */
import type { Context, Lower, Value } from "../Lowering.ts"

/** a [R, K] times the transpose of b [N, K]. */
export const timesTransposed = (context: Context, a: Value, b: Value): Value =>
  context.launch(
    a.rows,
    b.rows,
    [a, b],
    `let sum = 0.0;
for (let k = 0; k < ${a.columns}; k++) { sum += a[this.thread.y][k] * b[this.thread.x][k]; }
return sum;`
  )

/** a [R, K] times b [K, N]. */
export const times = (context: Context, a: Value, b: Value): Value =>
  context.launch(
    a.rows,
    b.columns,
    [a, b],
    `let sum = 0.0;
for (let k = 0; k < ${a.columns}; k++) { sum += a[this.thread.y][k] * b[k][this.thread.x]; }
return sum;`
  )

/** The transpose of a [K, R] times b [K, N]. */
export const transposedTimes = (context: Context, a: Value, b: Value): Value =>
  context.launch(
    a.columns,
    b.columns,
    [a, b],
    `let sum = 0.0;
for (let k = 0; k < ${a.rows}; k++) { sum += a[k][this.thread.y] * b[k][this.thread.x]; }
return sum;`
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
