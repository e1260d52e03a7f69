/**
 * Rows of a table by index, and their opposite: two of the primitives that every engine has.
 *
 *   gather: y[.., c] = table[index[..], c]                     table [V, C], index i32 [..], y [.., C]
 *   scatterAdd: y[v, c] = Σ over index[..] = v of x[.., c]     x [.., C], index i32 [..], attribute rows V, y [V, C]
 *
 * A negative index gives zeros, and is left out; one of V or more is a failure of the run. Sums run over rows in ascending order.
 *
 * Gradient: that of each is the other.
 */
import type { Operation } from "../Operation.ts"
import { same, show, width } from "./shape.ts"

export const gather: Operation = {
  name: "gather",
  inputs: [
    { name: "table", type: "f32" },
    { name: "index", type: "i32" }
  ],
  outputs: [{ name: "y", type: "f32" }],
  accumulates: true,
  attributes: [],
  infer: ([table, index]) =>
    table?.length === 2 && index !== undefined
      ? [[...index, width(table)]]
      : `table must be [V, C], is ${show(table)}`
}

export const scatterAdd: Operation = {
  name: "scatterAdd",
  inputs: [
    { name: "x", type: "f32" },
    { name: "index", type: "i32" }
  ],
  outputs: [{ name: "y", type: "f32" }],
  accumulates: true,
  attributes: ["rows"],
  infer: ([x, index], { rows }) => {
    if (x === undefined || !same(index, x.slice(0, -1)))
      return `x must be [.., C] with an index of [..], are ${show(x)} and ${show(index)}`
    return Number.isInteger(rows) && Number(rows) > 0
      ? [[Number(rows), width(x)]]
      : `rows must be a whole number above 0, is ${rows}`
  }
}
