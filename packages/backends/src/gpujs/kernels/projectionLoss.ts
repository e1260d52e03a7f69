/** Kernels for `projectionLoss` and `projectionLossBackward`. Rows of x are rows of the logits; a loss is [leading sides, last side]. */
import type { Inputs } from "../../Backend.ts"
import type { Context, Lower, Value } from "../Lowering.ts"
import { matrix } from "../Lowering.ts"
import { times, timesTransposed, transposedTimes } from "./product.ts"

const targetsOf = (context: Context, input: number, rows: number): Value => {
  const name = context.name(input)
  return context.upload(`targets ${name}`, 1, rows, (inputs) => Float32Array.from(inputs[name] ?? []))
}

/** One over the number of targets that count. */
const shareOf = (context: Context, input: number): Value => {
  const name = context.name(input)
  return context.upload(`share ${name}`, 1, 1, (inputs: Inputs) => {
    let count = 0
    for (const target of inputs[name] ?? []) if (target !== -1) count++
    return Float32Array.of(1 / Math.max(1, count))
  })
}

export const projectionLoss: Lower = (context) => {
  const [x, table] = [context.input(0), context.input(1)]
  const { columns, rows } = matrix(context.shape(2))
  const vocabulary = table.rows
  const targets = targetsOf(context, 2, x.rows)
  const logits = timesTransposed(context, x, table)
  const row = `const r = this.thread.y * ${columns} + this.thread.x;`
  const logSumExp = context.launch(
    rows,
    columns,
    [logits],
    `${row}
let largest = a[r][0];
for (let v = 0; v < ${vocabulary}; v++) { largest = Math.max(largest, a[r][v]); }
let sum = 0.0;
for (let v = 0; v < ${vocabulary}; v++) { sum += Math.exp(a[r][v] - largest); }
return largest + Math.log(sum);`
  )
  const losses = context.launch(
    rows,
    columns,
    [logits, logSumExp, targets],
    `${row}
const target = c[0][r];
let loss = 0.0;
if (target >= 0) { loss = b[this.thread.y][this.thread.x] - a[r][target]; }
return loss;`
  )
  if (context.wants(0))
    context.put(
      0,
      context.launch(
        1,
        1,
        [losses, shareOf(context, 2)],
        `let sum = 0.0;
for (let i = 0; i < ${rows}; i++) { for (let j = 0; j < ${columns}; j++) { sum += a[i][j]; } }
return sum * b[0][0];`
      )
    )
  context.put(1, losses)
  if (context.wants(2))
    context.put(
      2,
      context.launch(
        rows,
        columns,
        [logits, targets],
        `${row}
const target = b[0][r];
let correct = 0.0;
if (target >= 0) {
  correct = 1.0;
  const mine = a[r][target];
  for (let v = 0; v < ${vocabulary}; v++) { if (a[r][v] > mine) { correct = 0.0; } }
}
return correct;`
      )
    )
  context.put(3, logSumExp)
}

export const projectionLossBackward: Lower = (context) => {
  const [dLoss, x, table, logSumExp] = [
    context.input(0),
    context.input(1),
    context.input(2),
    context.input(4)
  ]
  const { columns } = matrix(context.shape(3))
  const logits = timesTransposed(context, x, table)
  const errors = context.launch(
    logits.rows,
    logits.columns,
    [logits, logSumExp, targetsOf(context, 3, x.rows), dLoss, shareOf(context, 3)],
    `const i = Math.floor((this.thread.y + 0.5) / ${columns}.0);
const target = c[0][this.thread.y];
let e1 = 0.0;
if (target >= 0) {
  e1 = Math.exp(a[this.thread.y][this.thread.x] - b[i][this.thread.y - i * ${columns}]);
  if (this.thread.x == target) { e1 = e1 - 1.0; }
}
return e1 * d[0][0] * e[0][0];`
  )
  if (context.wants(0)) context.put(0, times(context, errors, table))
  if (context.wants(1)) context.put(1, transposedTimes(context, errors, x))
}
