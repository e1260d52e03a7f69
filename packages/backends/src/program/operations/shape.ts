/** Sentences about shapes, shared by the operations' `infer`. */
import type { Shape } from "../Program.ts"

export const show = (shape: Shape | undefined): string =>
  shape === undefined ? "absent" : `[${shape.join(", ")}]`

export const same = (a: Shape | undefined, b: Shape | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((side, axis) => side === b[axis])

/** Last side of a shape: the width of its rows. */
export const width = (shape: Shape): number => shape[shape.length - 1] ?? 1

/** Product of all sides but the last: how many rows there are. */
export const rows = (shape: Shape): number => shape.slice(0, -1).reduce((product, side) => product * side, 1)

/** The same rows with another width. */
export const withWidth = (shape: Shape, size: number): Shape => [...shape.slice(0, -1), size]
