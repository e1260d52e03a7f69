/** The primitives `gather` and `scatterAdd`, and `embedding` and its gradient, which are made of them. Indexes are inputs of the run. */
import type { Inputs } from "../../Backend.ts"
import { sizeOf } from "../../program/Program.ts"
import { KernelText, type Value } from "../KernelText.ts"
import { type Context, type Lower, type Result, store } from "../Lowering.ts"

export const gather: Lower = (context) => {
  const result = context.output(0)!
  const width = context.shape(0)[1]!
  const kernel = new KernelText()
  const [table, index] = [kernel.read(context.input(0)), kernel.read(context.input(1))]
  const count = sizeOf(context.outputShape(0))
  context.dispatch(
    kernel.each(context.step.operation, count, [
      `let row = i / ${width};`,
      `let source = ${index}[row];`,
      `let value = select(0f, ${table}[max(source, 0) * ${width} + i - row * ${width}], source >= 0);`,
      store(kernel, result, "i", "value")
    ])
  )
}

/** Rows by target: where each target's list starts, and the lists one after the other, rows in order. Negative targets are left out. */
const listed = (targets: Int32Array, limit: number): { starts: Int32Array; order: Int32Array } => {
  const starts = new Int32Array(limit + 1)
  for (const target of targets) if (target >= 0) starts[target + 1]! += 1
  for (let target = 0; target < limit; target++) starts[target + 1]! += starts[target]!
  const next = starts.slice()
  const order = new Int32Array(targets.length)
  targets.forEach((target, row) => {
    if (target >= 0) order[next[target]!++] = row
  })
  return { starts, order }
}

/** For each target, the sum of the rows of x that have it, in order. */
const scatter = (
  context: Context,
  x: Value,
  result: Result,
  [limit, width]: readonly [number, number],
  key: string,
  targetsOf: (inputs: Inputs) => Int32Array
): void => {
  const rows = x.length / width
  const upload = (what: "starts" | "order", length: number) =>
    context.upload(
      `${what} of ${key} in ${limit}`,
      "i32",
      length,
      (inputs) => listed(targetsOf(inputs), limit)[what]
    )
  const kernel = new KernelText()
  const starts = kernel.read(upload("starts", limit + 1))
  const order = kernel.read(upload("order", rows))
  context.dispatch(
    kernel.each(context.step.operation, limit * width, [
      `let target_ = i / ${width};`,
      `let column = i - target_ * ${width};`,
      "var sum = 0f;",
      `let last = ${starts}[target_ + 1];`,
      `for (var at = ${starts}[target_]; at < last; at = at + 1) {`,
      `sum = sum + ${kernel.read(x)}[${order}[at] * ${width} + column];`,
      "}",
      store(kernel, result, "i", "sum")
    ])
  )
}

/** Values of an integer input of a run. */
export const integers = (inputs: Inputs, name: string): Int32Array => Int32Array.from(inputs[name] ?? [])

export const scatterAdd: Lower = (context) => {
  const index = context.step.inputs[1]!
  const [limit, width] = context.outputShape(0) as [number, number]
  scatter(context, context.input(0), context.output(0)!, [limit, width], index, (inputs) =>
    integers(inputs, index)
  )
}

/** Row of the positions that each token takes, by one offset or one for each text. */
const positionsOf = (tokens: Int32Array, time: number, offsets: Int32Array): Int32Array =>
  tokens.map((_, row) => offsets[offsets.length === 1 ? 0 : Math.floor(row / time)]! + (row % time))

export const embedding: Lower = (context) => {
  const [batch, time] = context.shape(0) as [number, number]
  const width = context.shape(2)[1]!
  const kernel = new KernelText()
  const [tokens, offset, table, positions] = [0, 1, 2, 3].map((input) => kernel.read(context.input(input)))
  context.dispatch(
    kernel.each(context.step.operation, batch * time * width, [
      `let row = i / ${width};`,
      `let column = i - row * ${width};`,
      `let text = row / ${time};`,
      `let position = ${offset}[${context.shape(1)[0] === 1 ? "0" : "text"}] + row - text * ${time};`,
      store(
        kernel,
        context.output(0)!,
        "i",
        `(${table}[${tokens}[row] * ${width} + column] + ${positions}[position * ${width} + column])`
      )
    ])
  )
}

export const embeddingBackward: Lower = (context) => {
  const time = context.shape(1)[1]!
  const [tokens, offset] = [context.step.inputs[1]!, context.step.inputs[2]!]
  const targets = [
    [0, tokens, (inputs: Inputs) => integers(inputs, tokens)],
    [
      1,
      `positions of ${tokens} from ${offset}`,
      (inputs: Inputs) => positionsOf(integers(inputs, tokens), time, integers(inputs, offset))
    ]
  ] as const
  for (const [output, key, targetsOf] of targets) {
    const result = context.output(output)
    const [limit, width] = context.outputShape(output) as [number, number]
    if (result !== undefined) scatter(context, context.input(0), result, [limit, width], key, targetsOf)
  }
}
