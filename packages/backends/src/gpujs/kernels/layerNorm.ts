/** Kernels for `layerNorm` and `layerNormBackward`. Means and such are [1, rows], two of them below one another where one launch makes both. */
import type { Lower } from "../Lowering.ts"

export const layerNorm: Lower = (context) => {
  const x = context.input(0)
  const width = x.columns
  const statistics = context.launch(
    2,
    x.rows,
    [x],
    `let sum = 0.0;
for (let c = 0; c < ${width}; c++) { sum += a[this.thread.x][c]; }
const mean = sum / ${width}.0;
let value = mean;
if (this.thread.y > 0) {
  let squares = 0.0;
  for (let c = 0; c < ${width}; c++) {
    const d = a[this.thread.x][c] - mean;
    squares += d * d;
  }
  value = 1.0 / Math.sqrt(squares / ${width}.0 + ${context.attribute("epsilon")});
}
return value;`
  )
  const [mean, rstd] = [context.part(statistics, 0, 1), context.part(statistics, 1, 1)]
  const scaled =
    "(a[this.thread.y][this.thread.x] - b[0][this.thread.y]) * c[0][this.thread.y] * d[0][this.thread.x]"
  context.put(
    0,
    context.has(2)
      ? context.launch(
          x.rows,
          width,
          [x, mean, rstd, context.input(1), context.input(2)],
          `return ${scaled} + e[0][this.thread.x];`
        )
      : context.launch(x.rows, width, [x, mean, rstd, context.input(1)], `return ${scaled};`)
  )
  context.put(1, mean)
  context.put(2, rstd)
}

export const layerNormBackward: Lower = (context) => {
  const [dy, x, gain, mean, rstd] = [
    context.input(0),
    context.input(1),
    context.input(2),
    context.input(3),
    context.input(4)
  ]
  const width = x.columns
  if (context.wants(0)) {
    // Of each row the mean of dy · gain, and that of its product with the normalised x.
    const means = context.launch(
      2,
      x.rows,
      [dy, gain, x, mean, rstd],
      `let sum = 0.0;
const mean = d[0][this.thread.x];
for (let i = 0; i < ${width}; i++) {
  let factor = 1.0;
  if (this.thread.y > 0) { factor = (c[this.thread.x][i] - mean) * e[0][this.thread.x]; }
  sum += a[this.thread.x][i] * b[0][i] * factor;
}
return sum / ${width}.0;`
    )
    context.put(
      0,
      context.launch(
        x.rows,
        width,
        [dy, gain, x, mean, rstd, means],
        `const scaled = a[this.thread.y][this.thread.x] * b[0][this.thread.x];
const rstd = e[0][this.thread.y];
const normal = (c[this.thread.y][this.thread.x] - d[0][this.thread.y]) * rstd;
return rstd * (scaled - f[0][this.thread.y] - normal * f[1][this.thread.y]);`
      )
    )
  }
  const sumOf = (term: string) => `for (let r = 0; r < ${x.rows}; r++) { sum += ${term}; }`
  const ofGain = sumOf("a[r][this.thread.x] * (b[r][this.thread.x] - c[0][r]) * d[0][r]")
  const ofBias = sumOf("a[r][this.thread.x]")
  const sums = (rows: number, lines: string) =>
    context.launch(rows, width, [dy, x, mean, rstd], `let sum = 0.0;\n${lines}\nreturn sum;`)
  if (context.wants(1) && context.wants(2)) {
    const both = sums(2, `if (this.thread.y < 1) { ${ofGain} }\nif (this.thread.y > 0) { ${ofBias} }`)
    context.put(1, context.part(both, 0, 1))
    context.put(2, context.part(both, 1, 1))
  } else if (context.wants(1)) context.put(1, sums(1, ofGain))
  else if (context.wants(2)) context.put(2, sums(1, ofBias))
}
