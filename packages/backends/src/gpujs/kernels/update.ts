/** Kernels for `gradientNorm` and `adamW`. */

import { wholeOf } from "../Launch.ts"
import type { Context, Lower, Value } from "../Lowering.ts"
import { argumentNames } from "../readArguments.ts"
import { stackOf } from "../stacks.ts"

/** NaN comes from the host: shading languages have no word for it. */
const nan = () => Float32Array.of(Number.NaN)

/** Matrices that one launch reads, besides the sum so far: as many as every device binds. */
const together = 6

/** Splits values so that each part reads at most `together` matrices. */
const apart = (values: ReadonlyArray<Value>): ReadonlyArray<ReadonlyArray<Value>> => {
  const parts: Array<Array<Value>> = []
  let wholes = new Set<number>()
  for (const value of values) {
    const { id } = wholeOf(value)
    if (parts.length === 0 || (wholes.size === together && !wholes.has(id))) {
      parts.push([])
      wholes = new Set()
    }
    wholes.add(id)
    parts.at(-1)!.push(value)
  }
  return parts
}

/** The sums of squares of the rows of matrices of one size: a row for each of them. */
const squaresOf = (context: Context, gradients: ReadonlyArray<Value>): Value => {
  const { columns, rows } = gradients[0]!
  const sums = gradients.map((_, index) => {
    const sum = `for (let i = 0; i < ${columns}; i++) {
  const element = ${argumentNames[index]}[this.thread.x][i];
  sum += element * element;
}`
    return gradients.length === 1 ? sum : `if (this.thread.y == ${index}) {\n${sum}\n}`
  })
  return context.launch(
    gradients.length,
    rows,
    gradients,
    ["let sum = 0.0;", ...sums, "return sum;"].join("\n")
  )
}

/** The sum of all elements, or of their squares, and of what there was before. */
const sumOf = (
  context: Context,
  parts: ReadonlyArray<Value>,
  before: Value | undefined,
  squares: boolean
): Value => {
  const lines = parts.map(({ columns, rows }, index) => {
    const name = argumentNames[index]
    const of = (row: string) => {
      const value = `${name}[${row}][i]`
      return `for (let i = 0; i < ${columns}; i++) { sum += ${squares ? `${value} * ${value}` : value}; }`
    }
    return rows === 1 ? of("0") : `for (let r = 0; r < ${rows}; r++) { ${of("r")} }`
  })
  if (before !== undefined) lines.push(`sum += ${argumentNames[parts.length]}[0][0];`)
  return context.launch(
    1,
    1,
    before === undefined ? parts : [...parts, before],
    ["let sum = 0.0;", ...lines, "return sum;"].join("\n")
  )
}

export const gradientNorm: Lower = (context) => {
  const gradients = context.step.inputs.map((_, input) => context.input(input))
  const rows = gradients.filter((gradient) => gradient.rows === 1)
  const sizes = Map.groupBy(
    gradients.filter((gradient) => gradient.rows > 1),
    ({ columns, rows }) => `${rows} ${columns}`
  )
  const matrices = [...sizes.values()].flatMap(apart)
  let total: Value | undefined
  for (const [values, squares] of [
    [matrices.map((some) => squaresOf(context, some)), false],
    [rows, true]
  ] as const)
    for (const some of apart(values)) total = sumOf(context, some, total, squares)
  const norm = context.launch(1, 1, [total!], "return Math.sqrt(a[this.thread.y][this.thread.x]);")
  const maximum = context.attribute("maximum")
  context.put(0, norm)
  context.put(
    1,
    context.launch(
      1,
      1,
      [norm, context.upload("NaN", 1, 1, nan)],
      `let scale = b[0][0];
if (a[0][0] < 3.0e38) { scale = ${maximum === 0 ? "1.0" : `Math.min(1.0, ${maximum} / (a[0][0] + 0.000001))`}; }
return scale;`
    )
  )
}

/** A smaller one is zero in float32, and zero by zero is no number. */
const leastEpsilon = 1e-37

interface AdamW {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly decay: number
}

const isFinite = (scale: string) => `${scale}[0][0] > -3.0e38 && ${scale}[0][0] < 3.0e38`
const mean = ({ beta1 }: AdamW, before: string) => `${beta1} * ${before} + ${1 - beta1} * g`
const square = ({ beta2 }: AdamW, before: string) => `${beta2} * ${before} + ${1 - beta2} * g * g`

/** The new `value` of a parameter by its moments m and v, corrected. */
const moved = ({ decay, epsilon }: AdamW, rate: string) =>
  `value - ${rate}[0][0] * (m / (Math.sqrt(v) + ${epsilon}) + ${decay} * value)`

/** A parameter and its moments in one launch: `stack` has them below one another. */
const stacked = (context: Context, settings: AdamW, stack: Value, corrections: Value): void => {
  const { columns, rows } = context.input(0)
  const all = context.launch(
    stack.rows,
    columns,
    [stack, context.input(1), context.input(4), context.input(5), corrections],
    `const part = Math.floor((this.thread.y + 0.5) / ${rows}.0);
const row = this.thread.y - part * ${rows};
let value = a[this.thread.y][this.thread.x];
if (${isFinite("c")}) {
  const g = c[0][0] * b[row][this.thread.x];
  if (part < 1) {
    const m = (${mean(settings, `a[row + ${rows}][this.thread.x]`)}) * e[0][0];
    const v = (${square(settings, `a[row + ${2 * rows}][this.thread.x]`)}) * e[0][1];
    value = ${moved(settings, "d")};
  }
  if (part == 1) { value = ${mean(settings, "value")}; }
  if (part > 1) { value = ${square(settings, "value")}; }
}
return value;`
  )
  for (const part of [0, 1, 2]) context.put(part, context.part(all, part * rows, rows))
}

/** The same in a launch for each. */
const separate = (context: Context, settings: AdamW, corrections: Value): void => {
  const [parameter, gradient, scale] = [context.input(0), context.input(1), context.input(4)]
  const { columns, rows } = parameter
  const moment = (before: Value, value: string) =>
    context.launch(
      rows,
      columns,
      [before, gradient, scale],
      `let moment = a[this.thread.y][this.thread.x];
if (${isFinite("c")}) {
  const g = c[0][0] * b[this.thread.y][this.thread.x];
  moment = ${value};
}
return moment;`
    )
  const m = moment(context.input(2), mean(settings, "moment"))
  const v = moment(context.input(3), square(settings, "moment"))
  const body = `let value = a[this.thread.y][this.thread.x];
if (${isFinite("d")}) {
  const m = b[this.thread.y][this.thread.x] * f[0][0];
  const v = c[this.thread.y][this.thread.x] * f[0][1];
  value = ${moved(settings, "e")};
}
return value;`
  context.put(0, context.launch(rows, columns, [parameter, m, v, scale, context.input(5), corrections], body))
  context.put(1, m)
  context.put(2, v)
}

export const adamW: Lower = (context) => {
  const settings: AdamW = {
    beta1: context.attribute("beta1"),
    beta2: context.attribute("beta2"),
    epsilon: Math.max(leastEpsilon, context.attribute("epsilon")),
    decay: context.attribute("weightDecay")
  }
  const { beta1, beta2 } = settings
  const step = context.name(6)
  const corrections = context.upload(`corrections ${step} ${beta1} ${beta2}`, 1, 2, (inputs) => {
    const count = inputs[step]![0]!
    return Float32Array.of(1 / (1 - beta1 ** count), 1 / (1 - beta2 ** count))
  })
  const stack = stackOf([context.input(0), context.input(2), context.input(3)])
  if (stack === undefined) separate(context, settings, corrections)
  else stacked(context, settings, stack, corrections)
}
