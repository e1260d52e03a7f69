/** Kernels for `gelu`, `geluBackward`, `add` and `dropout`. */
import { sizeOf } from "../../program/Program.ts"
import { keeps } from "../../reference/kernels/elementwise.ts"
import type { Lower } from "../Lowering.ts"

const slope = Math.sqrt(2 / Math.PI)

/** Hyperbolic tangent of √(2/π) (x + 0.044715 x³), beyond ±10 as at ±10, where float32 has long been ±1. */
const tangent = (x: string) =>
  `Math.min(10.0, Math.max(-10.0, ${slope} * (${x} + 0.044715 * ${x} * ${x} * ${x})))`

export const gelu: Lower = (context) => {
  const x = context.input(0)
  context.put(
    0,
    context.launch(
      x.rows,
      x.columns,
      [x],
      `const x = a[this.thread.y][this.thread.x];
const h = 1.0 - 2.0 / (Math.exp(2.0 * ${tangent("x")}) + 1.0);
return 0.5 * x * (1.0 + h);`
    )
  )
}

export const geluBackward: Lower = (context) => {
  const [dy, x] = [context.input(0), context.input(1)]
  context.put(
    0,
    context.launch(
      x.rows,
      x.columns,
      [dy, x],
      `const x = b[this.thread.y][this.thread.x];
const h = 1.0 - 2.0 / (Math.exp(2.0 * ${tangent("x")}) + 1.0);
return a[this.thread.y][this.thread.x] * (0.5 * (1.0 + h) + 0.5 * x * (1.0 - h * h) * ${slope} * (1.0 + ${3 * 0.044715} * x * x));`
    )
  )
}

export const add: Lower = (context) => {
  const [a, b] = [context.input(0), context.input(1)]
  context.put(
    0,
    context.launch(
      a.rows,
      a.columns,
      [a, b],
      "return a[this.thread.y][this.thread.x] + b[this.thread.y][this.thread.x];"
    )
  )
}

/** The mask is made on the host: it takes 32-bit integer products, which kernels of every mode do not have. */
export const dropout: Lower = (context) => {
  const x = context.input(0)
  const [seed, rate, salt] = [context.name(1), context.attribute("rate"), context.attribute("salt")]
  const size = sizeOf(context.shape(0))
  const mask = context.upload(
    `mask ${seed} ${salt} ${rate} ${x.rows} ${x.columns}`,
    x.rows,
    x.columns,
    (inputs) => {
      const value = inputs[seed]![0]!
      return Float32Array.from({ length: size }, (_, i) => (keeps(value, salt, i, rate) ? 1 / (1 - rate) : 0))
    }
  )
  context.put(
    0,
    context.launch(
      x.rows,
      x.columns,
      [x, mask],
      "return a[this.thread.y][this.thread.x] * b[this.thread.y][this.thread.x];"
    )
  )
}
