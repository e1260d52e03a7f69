/** A curve as lines of text: braille dots where the terminal speaks Unicode, asterisks elsewhere. */
import { figure } from "./format.ts"
import type { Screen } from "./Screen.ts"

export interface Point {
  readonly x: number
  readonly y: number
}

/** Bit of a braille cell by dot row and column. */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80]
]

/**
 * Values where there are none, on a straight line between those beside them: a run has fewer points at first than the screen has columns
 * of dots, and a curve of single dots is hard to follow.
 */
const bridged = (values: ReadonlyArray<number>): ReadonlyArray<number> => {
  const whole = [...values]
  let last: number | undefined
  values.forEach((value, index) => {
    if (Number.isNaN(value)) return
    if (last !== undefined) {
      const from = values[last]!
      for (let between = last + 1; between < index; between++)
        whole[between] = from + ((value - from) * (between - last)) / (index - last)
    }
    last = index
  })
  return whole
}

/**
 * Draws points in `rows` lines of `columns` characters, with the highest and lowest value at the left. Values are averaged over each
 * column of dots, so that a long, noisy curve stays readable. Nothing is drawn from fewer than two points.
 */
export const curve = (
  screen: Screen,
  points: ReadonlyArray<Point>,
  columns: number,
  rows: number
): ReadonlyArray<string> => {
  const finite = points.filter((point) => Number.isFinite(point.y))
  if (finite.length < 2 || rows < 2) return []
  const [perColumn, perRow] = screen.unicode ? [2, 4] : [1, 1]
  const labelWidth = 8
  const plotColumns = Math.max(4, columns - labelWidth - 1)
  const wide = plotColumns * perColumn
  const high = rows * perRow
  const firstX = finite[0]!.x
  const span = Math.max(1e-9, finite.at(-1)!.x - firstX)
  const sums = new Float64Array(wide)
  const counts = new Int32Array(wide)
  for (const point of finite) {
    const at = Math.min(wide - 1, Math.max(0, Math.round(((point.x - firstX) / span) * (wide - 1))))
    sums[at]! += point.y
    counts[at]! += 1
  }
  const means = bridged(
    Array.from(sums, (sum, index) => (counts[index]! > 0 ? sum / counts[index]! : Number.NaN))
  )
  const present = means.filter((mean) => !Number.isNaN(mean))
  const top = Math.max(...present)
  const bottom = Math.min(...present)
  const range = Math.max(1e-9, top - bottom)
  const cells = Array.from({ length: rows }, () => new Int32Array(plotColumns))
  let last: number | undefined
  means.forEach((mean, index) => {
    if (Number.isNaN(mean)) return
    const row = Math.round(((top - mean) / range) * (high - 1))
    // Dots between this value and the one before keep a steep curve in one piece.
    const from = last === undefined ? row : Math.min(row, last + Math.sign(row - last))
    const to = last === undefined ? row : Math.max(row, last + Math.sign(row - last))
    for (let dot = from; dot <= to; dot++) {
      const bit = screen.unicode ? dots[dot % 4]![index % 2]! : 1
      cells[Math.floor(dot / perRow)]![Math.floor(index / perColumn)]! |= bit
    }
    last = row
  })
  return cells.map((line, index) => {
    const label = index === 0 ? figure(top) : index === rows - 1 ? figure(bottom) : ""
    const drawn = Array.from(line, (cell) =>
      cell === 0 ? " " : screen.unicode ? String.fromCodePoint(0x2800 + cell) : "*"
    ).join("")
    return `${label.padStart(labelWidth)} ${screen.style("cyan", drawn.trimEnd())}`
  })
}
