// The primitives gather and scatterAdd: rows of a table by their indices.
import { fault } from "./control"
import { addRow } from "./embedding"

/** A row outside the table; `../faults.ts` has the sentence. */
const OUTSIDE: i32 = 4

/** Arguments: table, indices, y, indices' number, C, V, indices a task, flags (1: accumulate). A negative index gives zeros. */
export function gatherTask(a: usize, task: i32): void {
  const table = <usize>load<u32>(a)
  const indices = <usize>load<u32>(a, 4)
  const C = load<i32>(a, 16)
  const V = load<i32>(a, 20)
  const each = load<i32>(a, 24)
  const adds = (load<i32>(a, 28) & 1) != 0
  const width = <usize>C * 4
  const last = min(load<i32>(a, 12), (task + 1) * each)
  for (let r = task * each; r < last; r++) {
    const row = load<i32>(indices + <usize>r * 4)
    if (row >= V) return fault(OUTSIDE, row, V)
    const to = <usize>load<u32>(a, 8) + <usize>r * width
    if (row < 0) {
      if (!adds) memory.fill(to, 0, width)
    } else if (adds) addRow(to, table + <usize>row * width, C)
    else memory.copy(to, table + <usize>row * width, width)
  }
}

/**
 * Task: some columns of some rows of the table. Arguments: x, indices, table, indices' number, C, V, rows a task, columns a task, flags
 * (1: accumulate). A negative index is left out.
 */
export function scatterAddTask(a: usize, task: i32): void {
  const indices = <usize>load<u32>(a, 4)
  const count = load<i32>(a, 12)
  const C = load<i32>(a, 16)
  const V = load<i32>(a, 20)
  const each = load<i32>(a, 24)
  const columnsEach = load<i32>(a, 28)
  const across = (C + columnsEach - 1) / columnsEach
  const width = <usize>C * 4
  const first = (task / across) * each
  const size = min(V - first, each)
  const column = (task % across) * columnsEach
  const columns = min(columnsEach, C - column)
  const x = <usize>load<u32>(a) + <usize>column * 4
  const table = <usize>load<u32>(a, 8) + <usize>column * 4
  if ((load<i32>(a, 32) & 1) == 0)
    for (let row = first; row < first + size; row++) memory.fill(table + <usize>row * width, 0, <usize>columns * 4)
  for (let r = 0; r < count; r++) {
    const row = load<i32>(indices + <usize>r * 4)
    if (row >= V) return fault(OUTSIDE, row, V)
    if (<u32>(row - first) < <u32>size) addRow(table + <usize>row * width, x + <usize>r * width, columns)
  }
}
