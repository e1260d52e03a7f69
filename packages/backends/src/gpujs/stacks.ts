/**
 * Matrices of one size below one another in a taller one. A kernel has one result, so what one launch is to compute of several tensors lies
 * in one: a parameter and its moments.
 */
import { rows, width } from "../program/operations/shape.ts"
import type { Program } from "../program/Program.ts"
import { type Dialect, firstRow, type Value, wholeOf } from "./Launch.ts"
import { mostElements } from "./places.ts"

/**
 * Most elements of a stack. On a GPU a launch is dear. In WebAssembly it costs its compilation alone: threads that update large matrices
 * together read more than those of a launch for each.
 */
const most = ({ four }: Dialect): number => (four === "columns" ? mostElements : 2 ** 14)

/** Most rows of a stack: gpu.js has 8 in a workgroup, and a GPU 65,535 of these along one dimension. */
const mostRows = 8 * 65_535

/** Inputs of `adamW` that it updates. */
const updated = [0, 2, 3]

/** Names of the session's tensors that this program has in stacks, from the top. Those that would be beyond what kernels count stay apart. */
export const stacksOf = (
  { steps, tensors }: Program,
  dialect: Dialect
): ReadonlyArray<ReadonlyArray<string>> => {
  const taken = new Set<string>()
  return steps.flatMap(({ inputs, operation }) => {
    if (operation !== "adamW") return []
    const names = updated.map((input) => inputs[input]!)
    const { shape } = tensors[names[0]!]!
    const isHeld = (name: string) => ["parameter", "state"].includes(tensors[name]!.role)
    if (!names.every((name) => isHeld(name) && !taken.has(name))) return []
    const height = names.length * rows(shape)
    if (height > mostRows || height * width(shape) > most(dialect)) return []
    for (const name of names) taken.add(name)
    return [names]
  })
}

/** The value that consists of these from the top, if there is one. */
export const stackOf = (values: ReadonlyArray<Value>): Value | undefined => {
  const whole = wholeOf(values[0]!)
  let row = 0
  for (const value of values) {
    if (wholeOf(value).id !== whole.id || firstRow(value) !== row) return undefined
    row += value.rows
  }
  return row === whole.rows ? whole : undefined
}
