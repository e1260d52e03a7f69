import { describe, expect, test } from "vitest"
import { Block } from "../../src/show/Block.ts"
import { make } from "../../src/show/Screen.ts"
import { terminal } from "./terminal.ts"

const environment = { TERM: "xterm", NO_COLOR: "1" }
const standing = (columns = 40, rows = 10) => {
  const screen = terminal(columns, rows)
  const shown = make(screen, environment)
  return { screen, block: new Block(shown), clearLive: shown.clearLive }
}

describe("a block", () => {
  test("is drawn in place, keeps lines above, and takes itself away", () => {
    const { block, screen } = standing()
    block.draw(["kept"], ["a long first line", "two"])
    block.draw([], ["three"])
    expect(screen.seen()).toEqual(["kept", "three"])
    block.draw(["kept too"], ["four", "five"])
    expect(screen.seen()).toEqual(["kept", "kept too", "four", "five"])
    block.clear()
    screen.write("done\n")
    expect(screen.history()).toEqual(["kept", "kept too", "done"])
  })

  test("leaves nothing behind where lines that stay wrap, fill their row, or hold breaks, however far it scrolls", () => {
    const { block, screen } = standing(20, 6)
    const kept: Array<string> = []
    for (let round = 0; round < 12; round++) {
      block.draw([], [`bar ${"#".repeat(14)}`])
      block.draw([`${round}${"x".repeat(30)}`, "y".repeat(20), "a\nb"], [`bar ${"#".repeat(14)}`])
      kept.push(
        `${round}${"x".repeat(30)}`.slice(0, 20),
        `${round}${"x".repeat(30)}`.slice(20),
        "y".repeat(20),
        "a",
        "b"
      )
    }
    block.clear()
    expect(screen.history()).toEqual(kept)
  })

  test("is cut to a narrow terminal and to a low one", () => {
    const { block, screen } = standing(24, 6)
    block.draw([], ["x".repeat(100), ...Array.from({ length: 9 }, (_, row) => `row ${row}`)])
    expect(screen.seen()).toEqual(["row 5", "row 6", "row 7", "row 8"])
    block.draw([], ["x".repeat(100)])
    expect(screen.seen()).toEqual(["x".repeat(23)])
  })

  test("leaves nothing behind when the terminal is made smaller and larger, however often", () => {
    const { block, screen } = standing(100, 30)
    const sizes = [
      [80, 24],
      [40, 12],
      [41, 13],
      [25, 12],
      [100, 30],
      [60, 9]
    ] as const
    const kept: Array<string> = []
    for (let round = 0; round < 60; round++) {
      const columns = screen.columns - 1
      kept.push(`kept ${round}`)
      block.draw([`kept ${round}`], ["#".repeat(columns), `short ${round}`, "%".repeat(columns)])
      const [newColumns, newRows] = sizes[(round * 7) % sizes.length]!
      if (round % 2 === 0) screen.resize(newColumns, newRows)
      block.draw([], ["#".repeat(200), `short ${round}`, "%".repeat(200)])
    }
    block.clear()
    screen.resize(30, 12)
    expect(screen.history()).toEqual(kept)
  })

  test("makes room for words from elsewhere, and stands below them afterwards", () => {
    const { block, clearLive, screen } = standing()
    block.draw([], ["bar 41 %"])
    screen.write("^C")
    expect(clearLive()).toBe(true)
    screen.write("Interrupted.\n")
    block.draw([], ["bar 41 %"])
    block.draw(["saved"], ["bar 42 %"])
    expect(screen.seen()).toEqual(["Interrupted.", "saved", "bar 42 %"])
    block.clear()
    expect(clearLive()).toBe(false)
  })
})
