/** Generated kernels of the primitives against a plain evaluation, in every mode; WebGPU is skipped visibly where there is no adapter. */
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { deviceRuns } from "../../src/gpujs/deviceRuns.ts"
import { hostRuns } from "../../src/gpujs/hostRuns.ts"
import { lower, matrix } from "../../src/gpujs/Lowering.ts"
import { lowerings } from "../../src/gpujs/lowerings.ts"
import { findMode, type Mode } from "../../src/gpujs/mode.ts"
import type { Runs } from "../../src/gpujs/Runs.ts"
import { type Formula, type FunctionName, parse } from "../../src/program/Formula.ts"
import { type Attributes, type DataType, type Program, sizeOf } from "../../src/program/Program.ts"
import type { MapAttributes, ReduceAttributes, View } from "../../src/program/primitives.ts"

type Values = Float32Array | Int32Array

const functions: Readonly<Record<FunctionName, (a: number, b: number, c: number) => number>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  negate: (a) => -a,
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  sin: Math.sin,
  cos: Math.cos,
  pow: Math.pow,
  abs: Math.abs,
  floor: Math.floor,
  less: (a, b) => (a < b ? 1 : 0),
  equal: (a, b) => (a === b ? 1 : 0),
  where: (a, b, c) => (a !== 0 ? b : c)
}

const evaluate = (formula: Formula, inputs: ReadonlyArray<number>, at: ReadonlyArray<number>): number => {
  switch (formula.kind) {
    case "number":
      return formula.value
    case "input":
      return inputs[formula.index]!
    case "coordinate":
      return at[formula.axis]!
    case "call": {
      const [a = 0, b = 0, c = 0] = formula.values.map((value) => evaluate(value, inputs, at))
      return functions[formula.name](a, b, c)
    }
  }
}

const coordinates = (shape: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  shape.reduce<ReadonlyArray<ReadonlyArray<number>>>(
    (all, side) => all.flatMap((at) => Array.from({ length: side }, (_, i) => [...at, i])),
    [[]]
  )

/** The element that a view has at coordinates, -1 where it has none. */
const place = (view: View, at: ReadonlyArray<number>): number =>
  at.some((each, axis) => each < (view.low?.[axis] ?? 0) || each >= (view.high?.[axis] ?? Infinity))
    ? -1
    : view.strides.reduce((sum, stride, axis) => sum + stride * at[axis]!, view.offset)

const mapped = (
  attributes: MapAttributes & Partial<ReduceAttributes>,
  inputs: ReadonlyArray<Values>,
  before: Values
) => {
  const { formula, kind, names, over = 0, shape, views } = attributes
  const parsed = parse(formula, names)
  const result = Float64Array.from(before)
  const output = views.at(-1)!
  for (const outer of coordinates(shape.slice(0, shape.length - over))) {
    const terms = coordinates(shape.slice(shape.length - over)).map((inner) => {
      const at = [...outer, ...inner]
      const values = inputs.map((values, index) => {
        const element = place(views[index]!, at)
        return element === -1 ? 0 : values[element]!
      })
      return evaluate(parsed, values, at)
    })
    const to = place(output, outer)
    if (to !== -1)
      result[to] = kind === "max" ? Math.max(...terms) : terms.reduce((sum, term) => sum + term, 0)
  }
  return result
}

interface Given {
  readonly shape: ReadonlyArray<number>
  readonly type?: DataType
  readonly values: Values
}

const random = (size: number, salt = 1): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin((i + 1) * 12.9898 * salt) * 2)

const sidesOf = (shape: ReadonlyArray<number>): readonly [rows: number, columns: number] => {
  const { columns, rows } = matrix(shape)
  return [rows, columns]
}

/** Runs one step that writes a state of this shape. Inputs by name; the name `y` is the state as it was. */
const runOn = async <Tensor>(
  runs: Runs<Tensor>,
  operation: string,
  attributes: object,
  inputs: ReadonlyArray<Given | "y">,
  result: ReadonlyArray<number>,
  before: Float32Array,
  accumulate = false
): Promise<Float32Array> => {
  const name = (index: number) => (inputs[index] === "y" ? "y" : `input${index}`)
  const own = inputs.flatMap((given, index) => (given === "y" ? [] : [[name(index), given] as const]))
  const program: Program = {
    name: "one",
    tensors: Object.fromEntries([
      ["y", { name: "y", shape: result, type: "f32", role: "state" }],
      ...own.map(([name, { shape, type = "f32" }]) => [name, { name, shape, type, role: "input" }])
    ]),
    steps: [
      {
        operation,
        inputs: inputs.map((_, index) => name(index)),
        outputs: ["y"],
        attributes: attributes as Attributes,
        accumulate: accumulate ? ["y"] : []
      }
    ],
    outputs: ["y"]
  }
  const held = await runs.keep(before, ...sidesOf(result))
  const runnable = runs.prepare(lower(program, lowerings, runs.dialect))
  const { outputs } = await runnable.run(
    () => held,
    Object.fromEntries(own.map(([name, { values }]) => [name, values])),
    new AbortController().signal
  )
  await runnable.destroy()
  await runs.close()
  return outputs.y!
}

type Rest = Parameters<typeof runOn> extends [unknown, ...infer Others] ? Others : never

const run = (mode: Mode, ...rest: Rest): Promise<Float32Array> =>
  mode === "webgpu" ? runOn(deviceRuns(), ...rest) : runOn(hostRuns(mode), ...rest)

const near = (actual: ArrayLike<number>, expected: ArrayLike<number>) => {
  assert.strictEqual(actual.length, expected.length)
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!]
    assert.isTrue(Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(b)), `element ${i}: ${a} instead of ${b}`)
  }
}

const rowMajor = (...shape: ReadonlyArray<number>): ReadonlyArray<number> =>
  shape.map((_, axis) => sizeOf(shape.slice(axis + 1)))

interface Example {
  readonly attributes: MapAttributes & Partial<ReduceAttributes>
  readonly inputs: ReadonlyArray<Given | "y">
  readonly accumulate?: boolean
}

const floats = (...shape: ReadonlyArray<number>): Given => ({
  shape,
  values: random(sizeOf(shape), shape.length)
})
const plain = (shape: ReadonlyArray<number>): View => ({ offset: 0, strides: rowMajor(...shape) })

const examples: Readonly<Record<string, Example>> = {
  "a row for every row": {
    attributes: {
      shape: [3, 5],
      formula: "gain * x + i1 / 2",
      names: ["x", "gain"],
      views: [plain([3, 5]), { offset: 0, strides: [0, 1] }, plain([3, 5])],
      result: [3, 5]
    },
    inputs: [floats(3, 5), floats(5)]
  },
  "every function": {
    attributes: {
      shape: [40],
      formula:
        "max(x, 0.5) + min(x, 0.5) + exp(x) + log(abs(x) + 1) + sqrt(abs(x)) + tanh(x) - sigmoid(-x) + sin(x) * cos(x) + pow(abs(x), 1.5) + floor(x) + where(less(x, 0), 1, equal(x, x) / 3)",
      names: ["x"],
      views: [plain([40]), plain([40])],
      result: [40]
    },
    inputs: [floats(40)]
  },
  "angles of many turns": {
    attributes: {
      shape: [60],
      formula: "sin(x * x * i0 * 10) + 2 * cos(-100 * x)",
      names: ["x"],
      views: [plain([60]), plain([60])],
      result: [60]
    },
    // Multiples of 1/8, so that the angles are the same in float32.
    inputs: [{ shape: [60], values: random(60).map((x) => Math.round(x * 8) / 8) }]
  },
  "a transpose": {
    attributes: {
      shape: [4, 7],
      formula: "x",
      names: ["x"],
      views: [plain([4, 7]), { offset: 0, strides: [1, 4] }],
      result: [7, 4]
    },
    inputs: [floats(4, 7)]
  },
  "heads apart": {
    attributes: {
      shape: [2, 3, 5, 4],
      formula: "x",
      names: ["x"],
      views: [{ offset: 0, strides: [60, 4, 12, 1] }, plain([2, 3, 5, 4])],
      result: [2, 3, 5, 4]
    },
    inputs: [floats(2, 5, 12)]
  },
  "heads together": {
    attributes: {
      shape: [2, 3, 5, 4],
      formula: "x",
      names: ["x"],
      views: [plain([2, 3, 5, 4]), { offset: 0, strides: [60, 4, 12, 1] }],
      result: [2, 5, 12]
    },
    inputs: [floats(2, 3, 5, 4)]
  },
  "rows backwards, in reverse": {
    attributes: {
      shape: [3, 4],
      formula: "x + 10 * i0 + i1",
      names: ["x"],
      views: [
        { offset: 11, strides: [-4, -1] },
        { offset: 3, strides: [4, -1] }
      ],
      result: [3, 4]
    },
    inputs: [floats(3, 4)]
  },
  "padding in an input": {
    attributes: {
      shape: [3, 6],
      formula: "x + 1",
      names: ["x"],
      views: [{ offset: -1, strides: [4, 1], low: [0, 1], high: [3, 5] }, plain([3, 6])],
      result: [3, 6]
    },
    inputs: [floats(3, 4)]
  },
  "a part of the output, the rest as before": {
    attributes: {
      shape: [3, 2],
      formula: "x",
      names: ["x"],
      views: [plain([3, 2]), { offset: 1, strides: [5, 2] }],
      result: [3, 5]
    },
    inputs: [floats(3, 2)]
  },
  "bounds on the output": {
    attributes: {
      shape: [4, 6],
      formula: "x",
      names: ["x"],
      views: [plain([4, 6]), { offset: -7, strides: [5, 1], low: [1, 2], high: [3, 6] }],
      result: [3, 5]
    },
    inputs: [floats(4, 6)]
  },
  "an output that does not nest": {
    attributes: {
      shape: [2, 3],
      formula: "x",
      names: ["x"],
      views: [plain([2, 3]), { offset: 0, strides: [3, 2] }],
      result: [8]
    },
    inputs: [floats(2, 3)]
  },
  "rows over the ends of rows": {
    attributes: {
      shape: [4, 6],
      formula: "x",
      names: ["x"],
      views: [
        { offset: 2, strides: [3, 1] },
        { offset: 0, strides: [6, 1] }
      ],
      result: [3, 8]
    },
    inputs: [floats(5, 4)]
  },
  "no input": {
    attributes: { shape: [3, 4], formula: "less(i1, i0)", names: [], views: [plain([3, 4])], result: [3, 4] },
    inputs: []
  },
  "a constant": {
    attributes: { shape: [3, 4], formula: "2", names: [], views: [plain([3, 4])], result: [3, 4] },
    inputs: []
  },
  "whole numbers": {
    attributes: {
      shape: [3, 4],
      formula: "where(less(i1, start), 0, start)",
      names: ["start"],
      views: [{ offset: 0, strides: [1, 0] }, plain([3, 4])],
      result: [3, 4]
    },
    inputs: [{ shape: [3], type: "i32", values: Int32Array.of(0, 3, 2) }]
  },
  "in place": {
    attributes: {
      shape: [3, 4],
      formula: "0.9 * y + x",
      names: ["y", "x"],
      views: [plain([3, 4]), plain([3, 4]), plain([3, 4])],
      result: [3, 4]
    },
    inputs: ["y", floats(3, 4)]
  },
  "added to a part": {
    attributes: {
      shape: [3, 2],
      formula: "x",
      names: ["x"],
      views: [plain([3, 2]), { offset: 1, strides: [5, 2] }],
      result: [3, 5]
    },
    inputs: [floats(3, 2)],
    accumulate: true
  },
  "sums of rows": {
    attributes: {
      shape: [3, 7],
      formula: "x * x",
      names: ["x"],
      views: [plain([3, 7]), { offset: 0, strides: [1] }],
      result: [3],
      kind: "sum",
      over: 1
    },
    inputs: [floats(3, 7)]
  },
  "largest of columns, all below zero": {
    attributes: {
      shape: [5, 3, 4],
      formula: "x - 9",
      names: ["x"],
      views: [
        { offset: 0, strides: [1, 20, 5] },
        { offset: 0, strides: [1] }
      ],
      result: [1, 5],
      kind: "max",
      over: 2
    },
    inputs: [floats(3, 4, 5)]
  },
  "one sum of many terms": {
    attributes: {
      shape: [1, 3, 1501],
      formula: "x * i2 / 1000",
      names: ["x"],
      views: [plain([1, 3, 1501]), { offset: 0, strides: [0] }],
      result: [1],
      kind: "sum",
      over: 2
    },
    inputs: [floats(3, 1501)]
  },
  "windows summed with padding": {
    attributes: {
      shape: [2, 6, 3],
      formula: "x",
      names: ["x"],
      views: [{ offset: -1, strides: [6, 1, 1], low: [0, 1, 0] }, plain([2, 6])],
      result: [2, 6],
      kind: "sum",
      over: 1
    },
    inputs: [floats(2, 8)]
  }
}

const hasGpu = (await Effect.runPromise(findMode("webgpu"))) !== undefined

for (const mode of ["webgpu", "webasm", "cpu"] as const)
  describe.skipIf(mode === "webgpu" && !hasGpu)(`the primitives in mode ${mode}`, () => {
    for (const [name, { accumulate = false, attributes, inputs }] of Object.entries(examples))
      it(name, async () => {
        const before = random(sizeOf(attributes.result), 7)
        const values = inputs.map((given) => (given === "y" ? before : given.values))
        const start = accumulate ? new Float32Array(before.length) : before
        const expected = mapped(attributes, values, start)
        const operation = attributes.kind === undefined ? "map" : "reduce"
        const actual = await run(mode, operation, attributes, inputs, attributes.result, before, accumulate)
        near(actual, accumulate ? expected.map((value, i) => value + before[i]!) : expected)
      })

    const products: Readonly<
      Record<string, readonly [ReadonlyArray<number>, View, View, View, ReadonlyArray<number>]>
    > = {
      "a matrix by a transpose": [[5, 7, 9], plain([5, 9]), plain([7, 9]), plain([5, 7]), [5, 7]],
      "a multiple of four rows by a matrix": [
        [8, 12, 9],
        plain([8, 9]),
        { offset: 0, strides: [1, 12] },
        plain([8, 12]),
        [8, 12]
      ],
      "heads within rows, and back": [
        [2, 3, 4, 4, 5],
        { offset: 0, strides: [60, 5, 15, 1] },
        { offset: 0, strides: [60, 5, 15, 1] },
        { offset: 0, strides: [48, 4, 12, 1] },
        [2, 4, 12]
      ],
      "groups of heads that share keys": [
        [2, 3, 6, 5, 4],
        { offset: 2, strides: [72, 24, 4, 1] },
        { offset: 0, strides: [20, 0, 4, 1] },
        plain([2, 3, 6, 5]),
        [2, 3, 6, 5]
      ]
    }
    for (const [name, [shape, a, b, y, result]] of Object.entries(products))
      it(`product: ${name}`, async () => {
        const size = (view: View, sides: ReadonlyArray<number>) =>
          view.strides.reduce((sum, stride, axis) => sum + stride * (sides[axis]! - 1), view.offset + 1)
        const batch = shape.slice(0, -3)
        const [m, n, k] = shape.slice(-3) as [number, number, number]
        const inputs = [floats(1, size(a, [...batch, m, k])), floats(size(b, [...batch, n, k]))]
        const insert = (view: View, at: number): View => ({
          ...view,
          strides: view.strides.toSpliced(batch.length + at, 0, 0)
        })
        const expected = mapped(
          {
            shape,
            formula: "a * b",
            names: ["a", "b"],
            views: [insert(a, 1), insert(b, 0), y],
            result,
            kind: "sum",
            over: 1
          },
          inputs.map(({ values }) => values),
          new Float32Array(sizeOf(result))
        )
        const before = new Float32Array(sizeOf(result))
        near(
          await run(mode, "product", { shape, views: [a, b, y], result }, inputs, result, before),
          expected
        )
      })

    it("gather", async () => {
      const table = floats(6, 3)
      const index: Given = { shape: [2, 2], type: "i32", values: Int32Array.of(5, -1, 0, 5) }
      const actual = await run(mode, "gather", {}, [table, index], [2, 2, 3], new Float32Array(12))
      near(
        actual,
        [...index.values].flatMap((row) =>
          row < 0 ? [0, 0, 0] : [...table.values.slice(row * 3, row * 3 + 3)]
        )
      )
    })

    it("scatterAdd", async () => {
      const x = floats(2, 2, 3)
      const index: Given = { shape: [2, 2], type: "i32", values: Int32Array.of(4, -1, 0, 4) }
      const actual = await run(mode, "scatterAdd", { rows: 6 }, [x, index], [6, 3], new Float32Array(18))
      const expected = new Float32Array(18)
      for (const [row, to] of index.values.entries())
        if (to >= 0) for (let c = 0; c < 3; c++) expected[to * 3 + c]! += x.values[row * 3 + c]!
      near(actual, expected)
    })
  })
