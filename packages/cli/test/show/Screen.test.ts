import { stripVTControlCharacters } from "node:util"
import { describe, expect, test } from "vitest"
import { Block, bar, cut, make, table, width } from "../../src/show/Screen.ts"

const target = (options: { readonly tty: boolean; readonly columns?: number }) => {
  const written: Array<string> = []
  return {
    written,
    stream: {
      isTTY: options.tty,
      ...(options.columns === undefined ? {} : { columns: options.columns }),
      write: (text: string) => written.push(text)
    }
  }
}

describe("colour", () => {
  test("is off in a pipe, on a dumb terminal, and with NO_COLOR", () => {
    expect(make(target({ tty: false }).stream, {}).colour).toBe(false)
    expect(make(target({ tty: true }).stream, { TERM: "dumb" }).colour).toBe(false)
    expect(make(target({ tty: true }).stream, { NO_COLOR: "1" }).colour).toBe(false)
    expect(make(target({ tty: true }).stream, { TERM: "xterm" }).colour).toBe(true)
  })

  test("can be forced into a pipe", () => {
    expect(make(target({ tty: false }).stream, { FORCE_COLOR: "1" }).colour).toBe(true)
  })
})

describe("cut", () => {
  test("counts what shows, not the colour sequences", () => {
    const screen = make(target({ tty: true }).stream, { TERM: "xterm" })
    const line = `${screen.style("red", "abcdef")}ghi`
    expect(cut(line, 20)).toBe(line)
    const short = cut(line, 4)
    expect(stripVTControlCharacters(short)).toBe("abcd")
    expect(short.endsWith("\u001b[0m")).toBe(true)
  })

  test("never splits a wide character", () => {
    expect(width(cut("漢字漢字", 5))).toBe(4)
  })
})

describe("bar", () => {
  test("is plain ASCII without a Unicode locale, and never over-full", () => {
    const screen = make(target({ tty: false }).stream, { LANG: "C" })
    expect(bar(screen, 0.5, 10)).toBe("#####.....")
    expect(bar(screen, 7, 4)).toBe("####")
    expect(bar(screen, -1, 4)).toBe("....")
  })
})

test("table lines up its columns", () => {
  expect(
    table(
      [
        ["a", "1", "x"],
        ["long", "100", "y"]
      ],
      new Set([1])
    )
  ).toEqual(["a       1  x", "long  100  y"])
})

describe("Block", () => {
  test("draws in place, keeps lines above, and takes itself away", () => {
    const { stream, written } = target({ tty: true, columns: 40 })
    const block = new Block(make(stream, { TERM: "xterm", NO_COLOR: "1" }))
    block.draw(["kept"], ["one", "two"])
    block.draw([], ["three"])
    block.clear()
    expect(written).toEqual(["kept\none\ntwo\n", "\u001b[2A\r\u001b[Jthree\n", "\u001b[1A\r\u001b[J"])
  })

  test("cuts lines to a narrow terminal", () => {
    const { stream, written } = target({ tty: true, columns: 24 })
    new Block(make(stream, { NO_COLOR: "1" })).draw([], ["x".repeat(100)])
    expect(written.join("")).toBe(`${"x".repeat(23)}\n`)
  })
})
