/**
 * `layerNorm`, `rmsNorm` and their gradients: a workgroup takes one row, or one run of a row, and its threads share the sums. See
 * program/operations/layerNorm.ts and rmsNorm.ts for the formulas.
 */
import { literal } from "../formulas.ts"
import { KernelText, type Value } from "../KernelText.ts"
import { type Context, type Lower, type Result, store } from "../Lowering.ts"
import { joined, lanesOf, reduceInto } from "./reduce.ts"

/** Rows of `size` numbers that are each normalised. */
interface Rows {
  readonly rows: number
  readonly size: number
}

const rowsOf = (context: Context, x: number, gain: number): Rows => {
  const size = context.shape(gain)[0]!
  return { rows: context.input(x).length / size, size }
}

/** Statements that sum an expression over a row into `name`; `j` is the column. */
const summed = (name: string, { size }: Rows, expression: string): ReadonlyArray<string> => {
  const lanes = lanesOf(size)
  return [
    `var ${name}Own = 0f;`,
    `for (var j = lane; j < ${size}; j = j + ${lanes}) { ${name}Own = ${name}Own + ${expression}; }`,
    ...joined(lanes, "sum", "partial", `${name}Own`),
    `let ${name} = partial[0];`,
    "workgroupBarrier();"
  ]
}

/** Runs a workgroup for each row: statements for all lanes, then an assignment for each column. */
const byRow = (
  context: Context,
  kernel: KernelText,
  { rows, size }: Rows,
  sums: ReadonlyArray<string>,
  assign: ReadonlyArray<string>,
  once: ReadonlyArray<string> = []
): void => {
  const lanes = lanesOf(size)
  context.dispatch(
    kernel.done(context.step.operation, {
      size: lanes,
      groups: rows,
      declarations: [`var<workgroup> partial: array<f32, ${lanes}>;`],
      body: [
        `let row = group * ${size};`,
        ...sums,
        ...(assign.length === 0
          ? []
          : [`for (var j = lane; j < ${size}; j = j + ${lanes}) {`, ...assign, "}"]),
        ...(once.length === 0 ? [] : ["if (lane == 0) {", ...once, "}"])
      ]
    })
  )
}

const optionally = (result: Result | undefined, put: (result: Result) => string): ReadonlyArray<string> =>
  result === undefined ? [] : [put(result)]

export const layerNorm: Lower = (context) => {
  const rows = rowsOf(context, 0, 1)
  const kernel = new KernelText()
  const [x, gain] = [kernel.read(context.input(0)), kernel.read(context.input(1))]
  const bias = context.optional(2)
  const shift = bias === undefined ? "" : ` + ${kernel.read(bias)}[j]`
  byRow(
    context,
    kernel,
    rows,
    [
      ...summed("total", rows, `${x}[row + j]`),
      `let mean = total / ${literal(rows.size)};`,
      ...summed("squares", rows, `(${x}[row + j] - mean) * (${x}[row + j] - mean)`),
      `let rstd = 1f / sqrt(squares / ${literal(rows.size)} + ${literal(context.number("epsilon"))});`
    ],
    optionally(context.output(0), (y) =>
      store(kernel, y, "row + j", `((${x}[row + j] - mean) * rstd * ${gain}[j]${shift})`)
    ),
    [
      ...optionally(context.output(1), (mean) => store(kernel, mean, "group", "mean")),
      ...optionally(context.output(2), (rstd) => store(kernel, rstd, "group", "rstd"))
    ]
  )
}

/** Appends Σ over rows of a formula over `dy`, `x`, `mean` and `rstd`, by column. */
const overRows = (
  context: Context,
  { rows, size }: Rows,
  formula: string,
  values: Readonly<Record<"dy" | "x" | "mean" | "rstd", Value>>,
  result: Result | undefined
): void => {
  if (result === undefined) return
  const [each, byRow] = [
    { offset: 0, strides: [1, size] },
    { offset: 0, strides: [0, 1] }
  ]
  const names = ["dy", "x", "mean", "rstd"] as const
  reduceInto(
    context,
    {
      shape: [size, rows],
      formula,
      names,
      views: [each, each, byRow, byRow, { offset: 0, strides: [1] }],
      over: 1,
      kind: "sum"
    },
    (index) => values[names[index]!],
    result
  )
}

export const layerNormBackward: Lower = (context) => {
  const rows = rowsOf(context, 1, 2)
  const [dy, x, gain, mean, rstd] = [0, 1, 2, 3, 4].map((input) => context.input(input)) as [
    Value,
    Value,
    Value,
    Value,
    Value
  ]
  const dx = context.output(0)
  if (dx !== undefined) {
    const kernel = new KernelText()
    const g = `${kernel.read(dy)}[row + j] * ${kernel.read(gain)}[j]`
    const n = `(${kernel.read(x)}[row + j] - mean) * rstd`
    byRow(
      context,
      kernel,
      rows,
      [
        `let mean = ${kernel.read(mean)}[group];`,
        `let rstd = ${kernel.read(rstd)}[group];`,
        ...summed("gs", rows, g),
        ...summed("gns", rows, `${g} * ${n}`)
      ],
      [
        store(
          kernel,
          dx,
          "row + j",
          `rstd * (${g} - gs / ${literal(rows.size)} - ${n} * gns / ${literal(rows.size)})`
        )
      ]
    )
  }
  const values = { dy, x, mean, rstd }
  overRows(context, rows, "dy * (x - mean) * rstd", values, context.output(1))
  overRows(context, rows, "dy", values, context.output(2))
}

/** Statements for the reciprocal root of a run's mean square, `rstd`. */
const root = (context: Context, rows: Rows, x: string): ReadonlyArray<string> => [
  ...summed("squares", rows, `${x}[row + j] * ${x}[row + j]`),
  `let rstd = 1f / sqrt(squares / ${literal(rows.size)} + ${literal(context.number("epsilon"))});`
]

export const rmsNorm: Lower = (context) => {
  const rows = rowsOf(context, 0, 1)
  const kernel = new KernelText()
  const [x, gain] = [kernel.read(context.input(0)), kernel.read(context.input(1))]
  byRow(context, kernel, rows, root(context, rows, x), [
    store(kernel, context.output(0)!, "row + j", `${x}[row + j] * rstd * ${gain}[j]`)
  ])
}

export const rmsNormBackward: Lower = (context) => {
  const rows = rowsOf(context, 1, 2)
  const [dy, x, gain] = [context.input(0), context.input(1), context.input(2)]
  const [dx, dGain] = [context.output(0), context.output(1)]
  const kernel = new KernelText()
  const g = `${kernel.read(dy)}[row + j] * ${kernel.read(gain)}[j]`
  const n = `${kernel.read(x)}[row + j] * rstd`
  const rstd = context.scratch(rows.rows)
  byRow(
    context,
    kernel,
    rows,
    [...root(context, rows, kernel.read(x)), ...summed("gns", rows, `${g} * ${n}`)],
    optionally(dx, (result) =>
      store(kernel, result, "row + j", `rstd * (${g} - ${n} * gns / ${literal(rows.size)})`)
    ),
    dGain === undefined ? [] : [`${kernel.write(rstd)}[group] = rstd;`]
  )
  overRows(context, rows, "dy * x * rstd", { dy, x, mean: rstd, rstd }, dGain)
}
