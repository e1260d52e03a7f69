import { expect, test } from "vitest"
import { positionsOf } from "../../src/collect/positions.ts"

test("pieces begin where the ones before end", () => {
  for (const count of [0, 1, 31, 32, 33, 64, 100]) {
    const lengths = Float64Array.from({ length: count }, (_, at) => (at % 7 === 0 ? 2 ** 33 : at))
    const positionOf = positionsOf(lengths)
    let end = 0
    for (let index = 0; index <= count; index++) {
      expect(positionOf(index)).toBe(end)
      end += lengths[index] ?? 0
    }
  }
})
