/** Random choices for examples: the same seed gives the same ones everywhere. */
import type { Pick } from "../program/Example.ts"
import { uniform } from "./random.ts"

const sides = [
  1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 96, 127, 129, 200, 257
] as const

export const picker = (seed: number): Pick => {
  const next = uniform(seed)
  const integer = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  const from: Pick["from"] = (...values) => values[integer(0, values.length - 1)]!
  return {
    integer,
    from,
    side: (limit) => from(...sides.filter((side) => side <= limit)),
    boolean: () => next() < 0.5
  }
}
