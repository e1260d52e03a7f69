/** Kernels for `gradientNorm` and `adamW`. */
import type { Context, Lower, Value } from "../Lowering.ts"

/** NaN comes from the host: shading languages have no word for it. */
const nan = () => Float32Array.of(Number.NaN)

/** Tensors that one launch adds up, besides the sum so far: as many as every device binds. */
const together = 6

/** The sum of squares of each row of a matrix, as a row. */
const squaresOf = (context: Context, gradient: Value): Value =>
  context.launch(
    1,
    gradient.rows,
    [gradient],
    `let sum = 0.0;
for (let c = 0; c < ${gradient.columns}; c++) {
  const g = a[this.thread.x][c];
  sum += g * g;
}
return sum;`
  )

/** The sum of some rows' elements, or of their squares, and of what there was before. */
const sumOf = (
  context: Context,
  parts: ReadonlyArray<Value>,
  before: Value | undefined,
  squares: boolean
) => {
  const inputs = before === undefined ? parts : [...parts, before]
  const lines = parts.map((part, index) => {
    const value = `${"abcdefg"[index]}[0][r]`
    return `for (let r = 0; r < ${part.columns}; r++) { sum += ${squares ? `${value} * ${value}` : value}; }`
  })
  if (before !== undefined) lines.push(`sum += ${"abcdefg"[parts.length]}[0][0];`)
  return context.launch(1, 1, inputs, ["let sum = 0.0;", ...lines, "return sum;"].join("\n"))
}

export const gradientNorm: Lower = (context) => {
  const gradients = context.step.inputs.map((_, input) => context.input(input))
  const rows = gradients.filter((gradient) => gradient.rows === 1)
  const matrices = gradients.filter((gradient) => gradient.rows > 1)
  let total: Value | undefined
  for (const [parts, squares] of [
    [matrices.map((gradient) => squaresOf(context, gradient)), false],
    [rows, true]
  ] as const)
    for (let first = 0; first < parts.length; first += together)
      total = sumOf(context, parts.slice(first, first + together), total, squares)
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

export const adamW: Lower = (context) => {
  const [parameter, gradient, firstMoment, secondMoment, scale, learningRate] = [
    context.input(0),
    context.input(1),
    context.input(2),
    context.input(3),
    context.input(4),
    context.input(5)
  ]
  const [beta1, beta2] = [context.attribute("beta1"), context.attribute("beta2")]
  const step = context.name(6)
  const corrections = context.upload(`corrections ${step} ${beta1} ${beta2}`, 1, 2, (inputs) => {
    const count = inputs[step]![0]!
    return Float32Array.of(1 / (1 - beta1 ** count), 1 / (1 - beta2 ** count))
  })
  const { columns, rows } = parameter
  const moment = (before: Value, beta: number, power: string) =>
    context.launch(
      rows,
      columns,
      [before, gradient, scale],
      `let moment = a[this.thread.y][this.thread.x];
if (c[0][0] > -3.0e38 && c[0][0] < 3.0e38) {
  const g = c[0][0] * b[this.thread.y][this.thread.x];
  moment = ${beta} * moment + ${1 - beta} * ${power};
}
return moment;`
    )
  const m = moment(firstMoment, beta1, "g")
  const v = moment(secondMoment, beta2, "g * g")
  context.put(
    0,
    context.launch(
      rows,
      columns,
      [parameter, m, v, scale, learningRate, corrections],
      `let value = a[this.thread.y][this.thread.x];
if (d[0][0] > -3.0e38 && d[0][0] < 3.0e38) {
  const m = b[this.thread.y][this.thread.x] * f[0][0];
  const v = c[this.thread.y][this.thread.x] * f[0][1];
  value = value - e[0][0] * (m / (Math.sqrt(v) + ${Math.max(leastEpsilon, context.attribute("epsilon"))}) + ${context.attribute("weightDecay")} * value);
}
return value;`
    )
  )
  context.put(1, m)
  context.put(2, v)
}
