/**
 * `layerNorm`, `rmsNorm` and their gradients: a workgroup takes one row, or one run of a row, and its threads share the sums. See
 * program/operations/layerNorm.ts and rmsNorm.ts for the formulas.
 */
import { literal } from "../formulas.ts"
import { KernelText, type Value } from "../KernelText.ts"
import { type Context, type Lower, type Result, store } from "../Lowering.ts"
import { joined, lanesOf } from "./reduce.ts"

const range = (count: number): ReadonlyArray<number> => [...Array(count).keys()]

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

/** Columns and rows that the threads of a workgroup take side by side where it sums over rows. */
const [across, down] = [64, 4]

/** Rows of a part, at least, and parts at most. */
const [shortest, most] = [32, 64]

/**
 * Appends sums over rows, by column, of terms over row `r`, column `j` and element `at`: parts of the rows by one dispatch, where there are
 * many, and the parts by another. All sums are taken together.
 */
const overRows = (
  context: Context,
  { rows, size }: Rows,
  sums: ReadonlyArray<{ readonly term: (kernel: KernelText) => string; readonly result: Result }>
): void => {
  if (sums.length === 0) return
  const parts = Math.max(1, Math.min(most, Math.floor(rows / shortest)))
  const chunk = Math.ceil(rows / parts)
  const blocks = Math.ceil(size / across)
  const lanes = across * down
  const kernel = new KernelText()
  const scratch = parts === 1 ? undefined : context.scratch(parts * sums.length * size)
  const terms = sums.map(({ term }, index) => `sum${index} = sum${index} + ${term(kernel)};`)
  const put = (index: number) => {
    const total = range(down)
      .map((row) => `partial${index}[lane + ${row * across}]`)
      .join(" + ")
    return scratch === undefined
      ? store(kernel, sums[index]!.result, "j", `(${total})`)
      : `${kernel.write(scratch)}[(part * ${sums.length} + ${index}) * ${size} + j] = ${total};`
  }
  const each = (text: (index: number) => string) => range(sums.length).map(text)
  context.dispatch(
    kernel.done(context.step.operation, {
      size: lanes,
      groups: parts * blocks,
      declarations: each((index) => `var<workgroup> partial${index}: array<f32, ${lanes}>;`),
      body: [
        `let part = group / ${blocks};`,
        `let row = lane / ${across};`,
        `let j = (group - part * ${blocks}) * ${across} + lane - row * ${across};`,
        ...each((index) => `var sum${index} = 0f;`),
        `if (j < ${size}) {`,
        `for (var r = part * ${chunk} + row; r < min(${rows}, (part + 1) * ${chunk}); r = r + ${down}) {`,
        `let at = r * ${size} + j;`,
        ...terms,
        "}",
        "}",
        ...each((index) => `partial${index}[lane] = sum${index};`),
        "workgroupBarrier();",
        `if (lane < ${across} && j < ${size}) {`,
        ...each(put),
        "}"
      ]
    })
  )
  if (scratch === undefined) return
  const last = new KernelText()
  const from = last.read(scratch)
  context.dispatch(
    last.each(context.step.operation, sums.length * size, [
      `let which = i / ${size};`,
      `let j = i - which * ${size};`,
      "var total = 0f;",
      `for (var part = 0; part < ${parts}; part = part + 1) { total = total + ${from}[part * ${sums.length * size} + i]; }`,
      ...each((index) => `if (which == ${index}) { ${store(last, sums[index]!.result, "j", "total")} }`)
    ])
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
  const [dGain, dBias] = [context.output(1), context.output(2)]
  const normal = (kernel: KernelText) =>
    `${kernel.read(dy)}[at] * (${kernel.read(x)}[at] - ${kernel.read(mean)}[r]) * ${kernel.read(rstd)}[r]`
  overRows(context, rows, [
    ...(dGain === undefined ? [] : [{ term: normal, result: dGain }]),
    ...(dBias === undefined
      ? []
      : [{ term: (kernel: KernelText) => `${kernel.read(dy)}[at]`, result: dBias }])
  ])
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
  if (dGain === undefined) return
  const term = (kernel: KernelText) =>
    `${kernel.read(dy)}[at] * ${kernel.read(x)}[at] * ${kernel.read(rstd)}[r]`
  overRows(context, rows, [{ term, result: dGain }])
}
