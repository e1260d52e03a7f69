import { stripVTControlCharacters } from "node:util"
import { describe, expect, test } from "vitest"
import { bar, barLine, cut, make, table, width } from "../../src/show/Screen.ts"

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

test("a line with a bar keeps whole parts only, the first ones first, and its bar stands still", () => {
  const screen = make(target({ tty: false }).stream, { LANG: "C" })
  const parts = ["42 %", "3 min 44 s left", "loss 6.843", "validation 4.220", "step 672/1,600"]
  expect(barLine(screen, "train ", 0.42, parts, 79)).toBe(
    "train  ###....  42 %  3 min 44 s left  loss 6.843  validation 4.220"
  )
  expect(barLine(screen, "train ", 0.42, parts, 59)).toBe("train  ###...  42 %  3 min 44 s left  loss 6.843")
  expect(barLine(screen, "train ", 0.42, ["42 %", "9.9 s left"], 79)).toContain(" ###....  42 %")
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
