/** Kernels for `layerNorm` and `layerNormBackward`. Means and such are [1, rows]. */
import type { Lower } from "../Lowering.ts"

export const layerNorm: Lower = (context) => {
  const x = context.input(0)
  const width = x.columns
  const mean = context.launch(
    1,
    x.rows,
    [x],
    `let sum = 0.0;
for (let c = 0; c < ${width}; c++) { sum += a[this.thread.x][c]; }
return sum / ${width}.0;`
  )
  const rstd = context.launch(
    1,
    x.rows,
    [x, mean],
    `let sum = 0.0;
const mean = b[0][this.thread.x];
for (let c = 0; c < ${width}; c++) {
  const d = a[this.thread.x][c] - mean;
  sum += d * d;
}
return 1.0 / Math.sqrt(sum / ${width}.0 + ${context.attribute("epsilon")});`
  )
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
  if (context.wants(1))
    context.put(
      1,
      context.launch(
        1,
        width,
        [dy, x, mean, rstd],
        `let sum = 0.0;
for (let r = 0; r < ${x.rows}; r++) { sum += a[r][this.thread.x] * (b[r][this.thread.x] - c[0][r]) * d[0][r]; }
return sum;`
      )
    )
  if (context.wants(2))
    context.put(
      2,
      context.launch(
        1,
        width,
        [dy],
        `let sum = 0.0;
for (let r = 0; r < ${x.rows}; r++) { sum += a[r][this.thread.x]; }
return sum;`
      )
    )
}
