import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { leastContext, windowsOf } from "../../src/model/windows.ts"

describe("windows over a document", () => {
  it("go on by half their length, and the last one ends with the document", () => {
    expect(windowsOf(10, 4)).toEqual([
      { first: 0, length: 4, repeated: 0 },
      { first: 2, length: 4, repeated: 2 },
      { first: 4, length: 4, repeated: 2 },
      { first: 6, length: 4, repeated: 2 }
    ])
    expect(windowsOf(3, 4)).toEqual([{ first: 0, length: 3, repeated: 0 }])
    expect(windowsOf(0, 4)).toEqual([])
  })

  it("predict every token once, in order, with the least context promised", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 1, max: 70 }), (tokens, length) => {
        const predicted: Array<number> = []
        for (const window of windowsOf(tokens, length)) {
          expect(window.length).toBeLessThanOrEqual(length)
          expect(window.first + window.length).toBeLessThanOrEqual(tokens)
          for (let i = window.repeated; i < window.length; i++) {
            const at = window.first + i
            predicted.push(at)
            // Inputs up to here; the first one stands for the start of the document when `first` is 0.
            expect(i + 1).toBeGreaterThanOrEqual(Math.min(at + 1, leastContext(length)))
          }
        }
        expect(predicted).toEqual([...Array(tokens).keys()])
      })
    )
  })
})
