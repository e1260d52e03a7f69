/** How far an engine may be from reference, and where it first is further. */
import type { Precision } from "../Backend.ts"
import { operationNamed } from "../program/operations.ts"

/** Share of a tensor's largest magnitude by which one operation's result may differ. */
export const toleranceOf = (operation: string, precision: Precision): number =>
  precision !== "f32" && operationNamed(operation)?.inPrecision ? 5e-2 : 1e-4

/** The same for a whole program, in which small differences have gone through many operations. */
export const wholeTolerance = (precision: Precision): number => (precision === "f32" ? 3e-3 : 0.3)

export interface Disagreement {
  readonly element: number
  readonly value: number
  readonly expected: number
  readonly allowed: number
}

/** The first element that is not finite on either side, or further apart than allowed. Those `skipped` do not count. */
export const disagreement = (
  values: Float32Array,
  expected: Float32Array,
  tolerance: number,
  slack = 0,
  skipped: ReadonlySet<number> = new Set()
): Disagreement | undefined => {
  let largest = 0.01
  for (const value of expected) if (Math.abs(value) > largest) largest = Math.abs(value)
  const allowed = tolerance * largest + slack
  for (let element = 0; element < expected.length; element++) {
    if (skipped.has(element)) continue
    const [value, right] = [values[element]!, expected[element]!]
    if (!Number.isFinite(value) || !Number.isFinite(right) || !(Math.abs(value - right) <= allowed))
      return { element, value, expected: right, allowed }
  }
  return undefined
}
