import { describe, expect, test } from "vitest"
import { curve } from "../../src/show/curve.ts"
import { make } from "../../src/show/Screen.ts"

const screen = (lang: string) => make({ write: () => true }, { LANG: lang, NO_COLOR: "1" })
const falling = Array.from({ length: 500 }, (_, x) => ({ x, y: 2 + 6 * Math.exp(-x / 100) }))

describe("curve", () => {
  test("falls from the highest value at the top left to the lowest at the bottom right", () => {
    const lines = curve(screen("C"), falling, 60, 8)
    expect(lines).toHaveLength(8)
    expect(lines[0]).toMatch(/^ +[67]\.\d+ \*/)
    expect(lines[7]).toMatch(/^ +2\.\d+ .*\*$/)
    expect(lines.every((line) => line.length <= 60)).toBe(true)
  })

  test("uses braille dots where the terminal speaks Unicode, ASCII elsewhere", () => {
    expect(curve(screen("en_GB.UTF-8"), falling, 60, 8).join("")).toMatch(/[\u2801-\u28ff]/)
    expect(curve(screen("C"), falling, 60, 8).join("")).toMatch(/^[ -~]*$/)
  })

  test("draws nothing from one point, and survives values that are not finite or all alike", () => {
    expect(curve(screen("C"), [{ x: 1, y: 2 }], 60, 8)).toEqual([])
    expect(
      curve(
        screen("C"),
        [
          { x: 1, y: 2 },
          { x: 2, y: Number.NaN },
          { x: 3, y: 2 }
        ],
        60,
        8
      )
    ).toHaveLength(8)
  })
})
