/**
 * Kernels of the second model family, and its embedding's, against plain formulas in float64, on every kernel path. That they are their
 * operations' expansions is checked by the contract suite.
 */
import { describe, it } from "@effect/vitest"
import { agrees, make, type Random, underTest, type Wanted } from "./oneStep.ts"

const rmsNorm = (r: Random): Wanted => {
  const [rows, runs, width] = [1 + r.below(70), 1 + r.below(4), r.from([1, 7, 32, 100])]
  const x = r.floats(rows * runs * width)
  const gain = r.floats(width)
  const y = x.map((value, i) => {
    const run = x.subarray(i - (i % width), i - (i % width) + width)
    const square = run.reduce((sum, each) => sum + each * each, 0) / width
    return (value / Math.sqrt(square + 1e-2)) * gain[i % width]!
  })
  return make(
    "rmsNorm",
    { epsilon: 1e-2 },
    [
      ["x", [[rows, runs * width], x]],
      ["gain", [[width], gain]]
    ],
    [["y", [rows, runs * width], y]]
  )
}

const rmsNormBackward = (r: Random): Wanted => {
  const [rows, width] = [1 + r.below(200), r.from([1, 7, 32, 100])]
  const [dy, x, gain] = [r.floats(rows * width), r.floats(rows * width), r.floats(width)]
  const dx = new Float64Array(rows * width)
  const dGain = new Float64Array(width)
  for (let row = 0; row < rows; row++) {
    const at = row * width
    const columns = [...gain.keys()]
    const sum = (term: (c: number) => number) => columns.reduce((total, c) => total + term(c), 0)
    const factor = 1 / Math.sqrt(sum((c) => x[at + c]! ** 2) / width + 1e-2)
    const mean = sum((c) => dy[at + c]! * gain[c]! * x[at + c]! * factor) / width
    for (const c of columns) {
      dx[at + c] = factor * (dy[at + c]! * gain[c]! - x[at + c]! * factor * mean)
      dGain[c]! += dy[at + c]! * x[at + c]! * factor
    }
  }
  return make(
    "rmsNormBackward",
    { epsilon: 1e-2 },
    [
      ["dy", [[rows, width], dy]],
      ["x", [[rows, width], x]],
      ["gain", [[width], gain]]
    ],
    [
      ["dx", [rows, width], dx],
      ["dGain", [width], dGain]
    ]
  )
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

const swiglu = (r: Random): Wanted => {
  const shape = [1 + r.below(30), 1 + r.below(70)]
  const size = shape[0]! * shape[1]!
  const [gate, up] = [r.floats(size).map((x) => 100 * x), r.floats(size)]
  return make(
    "swiglu",
    {},
    [
      ["gate", [shape, gate]],
      ["up", [shape, up]]
    ],
    [["y", shape, gate.map((g, i) => g * sigmoid(g) * up[i]!)]]
  )
}

const swigluBackward = (r: Random): Wanted => {
  const shape = [1 + r.below(30), 1 + r.below(70)]
  const size = shape[0]! * shape[1]!
  const [dy, gate, up] = [r.floats(size), r.floats(size).map((x) => 9 * x), r.floats(size)]
  return make(
    "swigluBackward",
    {},
    [
      ["dy", [shape, dy]],
      ["gate", [shape, gate]],
      ["up", [shape, up]]
    ],
    [
      [
        "dGate",
        shape,
        dy.map((d, i) => d * up[i]! * sigmoid(gate[i]!) * (1 + gate[i]! * sigmoid(-gate[i]!)))
      ],
      ["dUp", shape, dy.map((d, i) => d * gate[i]! * sigmoid(gate[i]!))]
    ]
  )
}

const rope = (r: Random): Wanted => {
  const [batch, time, heads, half] = [1 + r.below(3), 1 + r.below(40), 1 + r.below(3), r.from([1, 5, 16, 20])]
  const width = 2 * half
  const offset = r.below(50)
  const shape = [batch, time, heads * width]
  const x = r.floats(batch * time * heads * width)
  const inverse = r.below(2) === 0
  const y = x.map((value, i) => {
    const t = Math.floor(i / (heads * width)) % time
    const d = i % width
    const angle = Math.fround((offset + t) * Math.fround(1000 ** (-(d % half) / half))) * (inverse ? -1 : 1)
    const other = d < half ? -x[i + half]! : x[i - half]!
    return value * Math.cos(angle) + other * Math.sin(angle)
  })
  return make(
    "rope",
    { heads, theta: 1000, ...(inverse ? { inverse: true } : {}) },
    [
      ["x", [shape, x]],
      ["offset", [[1], Int32Array.of(offset)]]
    ],
    [["y", shape, y]]
  )
}

const gather = (r: Random): Wanted => {
  const [rows, width, count] = [1 + r.below(40), r.from([1, 7, 32, 100]), 1 + r.below(90)]
  const [table, index] = [r.floats(rows * width), r.integers(count, rows)]
  const y = Float32Array.from({ length: count * width }, (_, i) => {
    const row = index[Math.floor(i / width)]!
    return row < 0 ? 0 : table[row * width + (i % width)]!
  })
  return make(
    "gather",
    {},
    [
      ["table", [[rows, width], table]],
      ["index", [[count], index]]
    ],
    [["y", [count, width], y]]
  )
}

const scatterAdd = (r: Random): Wanted => {
  const [rows, width, count] = [1 + r.below(40), r.from([1, 7, 64, 200]), 1 + r.below(90)]
  const [x, index] = [r.floats(count * width), r.integers(count, rows)]
  const y = new Float64Array(rows * width)
  for (const [i, value] of x.entries()) {
    const row = index[Math.floor(i / width)]!
    if (row >= 0) y[row * width + (i % width)]! += value
  }
  return make(
    "scatterAdd",
    { rows },
    [
      ["x", [[count, width], x]],
      ["index", [[count], index]]
    ],
    [["y", [rows, width], y]]
  )
}

const tested = underTest()
for (const kernels of tested?.kernels ?? [])
  describe(`kernels of the second family on ${kernels}`, () => {
    for (const from of [rmsNorm, rmsNormBackward, swiglu, swigluBackward, rope, gather, scatterAdd])
      it.live(from.name, () => agrees(tested!.addon, kernels, from, 25))
  })
