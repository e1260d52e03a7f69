/** Steps of `map`, `reduce` and `product` whose views, formulas and sizes take every way through the generation of kernels. */
import { type DataType, sizeOf } from "../../src/program/Program.ts"
import type {
  MapAttributes,
  ProductAttributes,
  ReduceAttributes,
  View
} from "../../src/program/primitives.ts"

export interface Given {
  readonly shape: ReadonlyArray<number>
  readonly type?: DataType
  readonly values: Float32Array | Int32Array
}

/** A step that writes the state `y`, which may be an input as well. */
export interface Example {
  readonly attributes: MapAttributes & Partial<ReduceAttributes>
  readonly inputs: ReadonlyArray<Given | "y">
  readonly accumulate?: boolean
}

export const random = (size: number, salt = 1): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin((i + 1) * 12.9898 * salt) * 2)

export const floats = (...shape: ReadonlyArray<number>): Given => ({
  shape,
  values: random(sizeOf(shape), shape.length)
})

/** All elements in order. */
const plain = (shape: ReadonlyArray<number>): View => ({
  offset: 0,
  strides: shape.map((_, axis) => sizeOf(shape.slice(axis + 1)))
})

export const examples: Readonly<Record<string, Example>> = {
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
      formula: "abs(x) * i2 / 1000",
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
      views: [{ offset: -1, strides: [6, 1, 1], low: [0, 1, 0], high: [2, 6, 3] }, plain([2, 6])],
      result: [2, 6],
      kind: "sum",
      over: 1
    },
    inputs: [floats(2, 8)]
  }
}

export const products: Readonly<
  Record<string, { readonly attributes: ProductAttributes; readonly sizes: readonly [a: number, b: number] }>
> = {
  "a matrix by a transpose": {
    attributes: { shape: [5, 7, 9], views: [plain([5, 9]), plain([7, 9]), plain([5, 7])], result: [5, 7] },
    sizes: [45, 63]
  },
  "a multiple of four rows by a matrix": {
    attributes: {
      shape: [8, 12, 9],
      views: [plain([8, 9]), { offset: 0, strides: [1, 12] }, plain([8, 12])],
      result: [8, 12]
    },
    sizes: [72, 108]
  },
  "heads within rows, and back": {
    attributes: {
      shape: [2, 3, 4, 4, 5],
      views: [
        { offset: 0, strides: [60, 5, 15, 1] },
        { offset: 0, strides: [60, 5, 15, 1] },
        { offset: 0, strides: [48, 4, 12, 1] }
      ],
      result: [2, 4, 12]
    },
    sizes: [120, 120]
  },
  "groups of heads that share keys": {
    attributes: {
      shape: [2, 3, 6, 5, 4],
      views: [
        { offset: 2, strides: [72, 24, 4, 1] },
        { offset: 0, strides: [20, 0, 4, 1] },
        plain([2, 3, 6, 5])
      ],
      result: [2, 3, 6, 5]
    },
    sizes: [146, 40]
  }
}
