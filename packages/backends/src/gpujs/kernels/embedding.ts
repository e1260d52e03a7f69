/** Kernels for the primitives `gather` and `scatterAdd`, and for `embedding` and `embeddingBackward`, which are made of them. */
import type { Inputs } from "../../Backend.ts"
import { sizeOf } from "../../program/Program.ts"
import type { Context, Lower, Value } from "../Lowering.ts"

const integers = (inputs: Inputs, name: string): Int32Array => Int32Array.from(inputs[name] ?? [])

/** Row of the positions that each row of the result takes, by one offset or one for each text. */
const positionRows = (tokens: Int32Array, time: number, offsets: Int32Array): Int32Array =>
  tokens.map((_, row) => offsets[offsets.length === 1 ? 0 : Math.floor(row / time)]! + (row % time))

export const embedding: Lower = (context) => {
  const [batch, time] = context.shape(0) as [number, number]
  const rows = batch * time
  const [tokens, offset] = [context.name(0), context.name(1)]
  const tokenRows = context.upload(`tokens ${tokens}`, 1, rows, (inputs) =>
    Float32Array.from(integers(inputs, tokens))
  )
  const positions = context.upload(`positions ${tokens} ${offset}`, 1, rows, (inputs) =>
    Float32Array.from(positionRows(integers(inputs, tokens), time, integers(inputs, offset)))
  )
  const table = context.input(2)
  context.put(
    0,
    context.launch(
      rows,
      table.columns,
      [tokenRows, positions, table, context.input(3)],
      `const token = a[0][this.thread.y];
const position = b[0][this.thread.y];
return c[token][this.thread.x] + d[position][this.thread.x];`
    )
  )
}

/** Rows by target: where each target's list starts, and the lists one after the other, rows in order. Negative targets are left out. */
const listed = (targets: Int32Array, limit: number): { starts: Float32Array; order: Float32Array } => {
  const starts = new Float32Array(limit + 1)
  for (const target of targets) if (target >= 0) starts[target + 1]! += 1
  for (let target = 0; target < limit; target++) starts[target + 1]! += starts[target]!
  const next = starts.slice()
  const order = new Float32Array(targets.length)
  targets.forEach((target, row) => {
    if (target >= 0) order[next[target]!++] = row
  })
  return { starts, order }
}

/** For each target, the sum of the rows of dy that came from it. */
const scatter = (
  context: Context,
  dy: Value,
  limit: number,
  key: string,
  targetsOf: (inputs: Inputs) => Int32Array
): Value => {
  const starts = context.upload(
    `starts ${key}`,
    1,
    limit + 1,
    (inputs) => listed(targetsOf(inputs), limit).starts
  )
  const order = context.upload(`order ${key}`, 1, dy.rows, (inputs) => listed(targetsOf(inputs), limit).order)
  return context.launch(
    limit,
    dy.columns,
    [dy, starts, order],
    `let sum = 0.0;
const first = b[0][this.thread.y];
const last = b[0][this.thread.y + 1];
for (let j = first; j < last; j += 1.0) {
  const row = c[0][j];
  sum += a[row][this.thread.x];
}
return sum;`
  )
}

export const embeddingBackward: Lower = (context) => {
  const time = context.shape(1)[1]!
  const dy = context.input(0)
  const [tokens, offset] = [context.name(1), context.name(2)]
  if (context.wants(0)) {
    const limit = context.outputShape(0)[0]!
    context.put(
      0,
      scatter(context, dy, limit, `${tokens} of ${limit}`, (inputs) => integers(inputs, tokens))
    )
  }
  if (context.wants(1)) {
    const limit = context.outputShape(1)[0]!
    context.put(
      1,
      scatter(context, dy, limit, `positions ${tokens} ${offset} of ${limit}`, (inputs) =>
        positionRows(integers(inputs, tokens), time, integers(inputs, offset))
      )
    )
  }
}

export const gather: Lower = (context) => {
  const [table, index] = [context.input(0), context.name(1)]
  const count = sizeOf(context.shape(1))
  const rows = context.upload(`rows ${index}`, 1, count, (inputs) =>
    Float32Array.from(integers(inputs, index))
  )
  context.put(
    0,
    context.launch(
      count,
      table.columns,
      [table, rows],
      `const row = Math.max(0.0, b[0][this.thread.y]);
let value = a[row][this.thread.x];
if (b[0][this.thread.y] < 0.0) { value = 0.0; }
return value;`
    )
  )
}

export const scatterAdd: Lower = (context) => {
  const index = context.name(1)
  const limit = context.outputShape(0)[0]!
  context.put(
    0,
    scatter(context, context.input(0), limit, `${index} of ${limit}`, (inputs) => integers(inputs, index))
  )
}
