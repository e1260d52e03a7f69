/**
 * `projectionLoss` and its gradient, a band of rows at a time: a band's logits are in working memory, and a workgroup takes one row of them.
 */
import type { Inputs } from "../../Backend.ts"
import { width } from "../../program/operations/shape.ts"
import { sizeOf } from "../../program/Program.ts"
import type { View } from "../../program/primitives.ts"
import { KernelText, type Value } from "../KernelText.ts"
import { type Context, type Lower, store } from "../Lowering.ts"
import { integers } from "./gather.ts"
import { type Product, productInto } from "./product.ts"
import { joined, lanesOf, reduceInto } from "./reduce.ts"

/** Most bytes of a band's logits. */
const mostBytes = 2 ** 28

interface Sizes {
  readonly rows: number
  readonly width: number
  readonly vocabulary: number
  /** Rows of a band. */
  readonly band: number
}

const sizesOf = ({ limits, shape }: Context, x: number): Sizes => {
  const vocabulary = shape(x + 1)[0]!
  const rows = sizeOf(shape(x).slice(0, -1))
  const fitting = Math.floor(Math.min(mostBytes, limits.bytes) / (4 * vocabulary))
  // Whole tiles, where a band is not all rows.
  const whole = fitting < 128 ? Math.max(1, fitting) : fitting - (fitting % 128)
  return { rows, width: width(shape(x)), vocabulary, band: Math.min(rows, whole) }
}

const bandsOf = ({ band, rows }: Sizes) =>
  Array.from({ length: Math.ceil(rows / band) }, (_, index) => ({
    first: index * band,
    count: Math.min(band, rows - index * band)
  }))

const matrix = (strideRow: number, strideColumn: number, offset = 0): View => ({
  offset,
  strides: [strideRow, strideColumn]
})

/** The number of targets that count. */
const counted = (targets: Int32Array): number =>
  Math.max(
    1,
    targets.reduce((count, target) => count + (target < 0 ? 0 : 1), 0)
  )

/** By row the share that its loss has in the mean: 0 where its target is ignored. */
const sharesOf = (context: Context, targets: string, rows: number): Value =>
  context.upload(`shares of ${targets}`, "f32", rows, (inputs: Inputs) => {
    const given = integers(inputs, targets)
    const share = 1 / counted(given)
    return Float32Array.from(given, (target) => (target < 0 ? 0 : share))
  })

/** Logits of a band, or what `finish` makes of them, into working memory. */
const logitsOf = (
  context: Context,
  x: number,
  sizes: Sizes,
  logits: Value,
  { count, first }: { readonly count: number; readonly first: number },
  finish?: Product["finish"]
): void =>
  productInto(context, {
    shape: [count, sizes.vocabulary, sizes.width],
    a: { value: context.input(x), view: matrix(sizes.width, 1, first * sizes.width) },
    b: { value: context.input(x + 1), view: matrix(sizes.width, 1) },
    y: { value: logits, adds: false, view: matrix(sizes.vocabulary, 1) },
    ...(finish === undefined ? {} : { finish })
  })

/** One pass over a row: each thread keeps the largest of its logits and the sum of exponentials below it, and a workgroup joins them. */
const rowLoss = (context: Context, { vocabulary }: Sizes, logits: Value, first: number, count: number) => {
  const lanes = lanesOf(vocabulary)
  const kernel = new KernelText()
  const [numbers, targets] = [kernel.read(logits), kernel.read(context.input(2))]
  const put = (output: number, text: string) => {
    const result = context.output(output)
    return result === undefined ? [] : [store(kernel, result, "row", text)]
  }
  return kernel.done(context.step.operation, {
    size: lanes,
    groups: count,
    declarations: ["partial", "above"].map((name) => `var<workgroup> ${name}: array<f32, ${lanes}>;`),
    body: [
      `let row = ${first} + group;`,
      `let target_ = ${targets}[row];`,
      `let begin = group * ${vocabulary};`,
      `let right = ${numbers}[begin + max(target_, 0)];`,
      "var most = -3.4028234e38f;",
      "var scaled = 0f;",
      "var over = 0f;",
      `for (var v = lane; v < ${vocabulary}; v = v + ${lanes}) {`,
      `let logit = ${numbers}[begin + v];`,
      "if (logit > right) { over = 1f; }",
      "if (logit > most) { scaled = scaled * exp(most - logit) + 1f; most = logit; }",
      "else { scaled = scaled + exp(logit - most); }",
      "}",
      ...joined(lanes, "max", "partial", "most"),
      "let largest = partial[0];",
      "workgroupBarrier();",
      "let total = scaled * exp(most - largest);",
      ...joined(lanes, "sum"),
      ...joined(lanes, "max", "above", "over"),
      "if (lane == 0) {",
      "let logSumExp = largest + log(partial[0]);",
      ...put(1, "select(0f, logSumExp - right, target_ >= 0)"),
      ...put(2, "select(0f, 1f - above[0], target_ >= 0)"),
      ...put(3, "logSumExp"),
      "}"
    ]
  })
}

export const projectionLoss: Lower = (context) => {
  const sizes = sizesOf(context, 0)
  const { band, rows, vocabulary } = sizes
  const logits = context.scratch(band * vocabulary)
  for (const one of bandsOf(sizes)) {
    logitsOf(context, 0, sizes, logits, one)
    context.dispatch(rowLoss(context, sizes, logits, one.first, one.count))
  }
  // The gradient needs the same logits, where all rows are one band.
  if (band === rows) context.remember(logits, [context.input(0), context.input(1)])
  const loss = context.output(0)
  const losses = context.output(1)?.value
  if (loss === undefined || losses === undefined) return
  const shares = sharesOf(context, context.step.inputs[2]!, rows)
  const each = { offset: 0, strides: [1] }
  const reduction = {
    shape: [rows],
    formula: "loss * share",
    names: ["loss", "share"],
    views: [each, each, { offset: 0, strides: [] }],
    over: 1,
    kind: "sum" as const
  }
  reduceInto(context, reduction, (index) => (index === 0 ? losses : shares), loss)
}

/** The error of logit `value` in row `m` and column `n` of a band that begins at row `first`. */
const errorOf = (context: Context, shares: Value, first: number) => (kernel: KernelText) => {
  const [dLoss, targets, sums] = [0, 3, 4].map((input) => kernel.read(context.input(input)))
  const row = `m + ${first}`
  const error = `exp(value - ${sums}[${row}]) - select(0f, 1f, n == ${targets}[${row}])`
  return `(${error}) * ${kernel.read(shares)}[${row}] * ${dLoss}[0]`
}

/** Turns all logits into their errors, in place. */
const errorsInPlace = (context: Context, { vocabulary }: Sizes, logits: Value, shares: Value): void => {
  const kernel = new KernelText()
  const numbers = kernel.write(logits)
  context.dispatch(
    kernel.each(context.step.operation, logits.length, [
      `let m = i / ${vocabulary};`,
      `let n = i - m * ${vocabulary};`,
      `let value = ${numbers}[i];`,
      `${numbers}[i] = ${errorOf(context, shares, 0)(kernel)};`
    ])
  )
}

export const projectionLossBackward: Lower = (context) => {
  const sizes = sizesOf(context, 1)
  const { band, rows, vocabulary, width } = sizes
  const [x, table] = [context.input(1), context.input(2)]
  const [dx, dTable] = [context.output(0), context.output(1)]
  const shares = sharesOf(context, context.step.inputs[3]!, rows)
  const known = context.recall([x, table])
  const errors = known ?? context.scratch(band * vocabulary)
  for (const { count, first } of bandsOf(sizes)) {
    if (known === undefined)
      logitsOf(context, 1, sizes, errors, { count, first }, errorOf(context, shares, first))
    else errorsInPlace(context, sizes, errors, shares)
    if (dx !== undefined)
      productInto(context, {
        shape: [count, width, vocabulary],
        a: { value: errors, view: matrix(vocabulary, 1) },
        b: { value: table, view: matrix(1, width) },
        y: { ...dx, view: matrix(width, 1, first * width) }
      })
    if (dTable !== undefined)
      productInto(context, {
        shape: [vocabulary, width, count],
        a: { value: errors, view: matrix(1, vocabulary) },
        b: { value: x, view: matrix(1, width, first * width) },
        y: { value: dTable.value, adds: dTable.adds || first > 0, view: matrix(width, 1) }
      })
  }
}
