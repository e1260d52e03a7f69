import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import * as Sanitize from "../../src/events/Sanitize.ts"

/** Every character that could steer a terminal or turn text around, written by its number. */
const dangerous = [
  ...Array.from({ length: 0x20 }, (_, code) => code).filter((code) => code !== 0x09 && code !== 0x0a),
  ...Array.from({ length: 0x21 }, (_, index) => 0x7f + index),
  0x061c,
  0x200e,
  0x200f,
  ...Array.from({ length: 5 }, (_, index) => 0x202a + index),
  ...Array.from({ length: 4 }, (_, index) => 0x2066 + index),
  0x2028,
  0x2029
].map((code) => String.fromCharCode(code))

const anything = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...dangerous, "\u001b[31m", "\u001b[8m", "\u001b]0;x\u0007", "\n", "\t", "é", "😀"),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 })
  )
})

const holdsNone = (shown: string) => {
  for (const character of dangerous) expect(shown.includes(character)).toBe(false)
}

describe("what is shown", () => {
  test("holds no character that steers, turned or hides; other text stays as it is", () => {
    for (const character of dangerous) expect(Sanitize.text(`a${character}b`)).toBe("a?b")
    expect(Sanitize.text("int main\r\n\t{ é 漢 😀 }\n")).toBe("int main\n\t{ é 漢 😀 }\n")
    expect(Sanitize.line("a\r\nb\tc\u202ed")).toBe("a\\r\\nb  c?d")
    fc.assert(
      fc.property(anything, (value) => {
        holdsNone(Sanitize.text(value))
        holdsNone(Sanitize.line(value))
        expect(Sanitize.line(value)).not.toMatch(/[\n\t]/)
        expect(Sanitize.text(Sanitize.text(value))).toBe(Sanitize.text(value))
      })
    )
  })

  test("of a line that was coloured here keeps the colours, and no other sequence", () => {
    const shown = Sanitize.styled(
      "\u001b[31mred\u001b[39m \u001b[1;36mbold\u001b[0m \u001b[2J\u001b[8mhidden\u001b]8;;x\u0007"
    )
    expect(shown).toBe("\u001b[31mred\u001b[39m \u001b[1;36mbold\u001b[0m ?[2J?[8mhidden?]8;;x?")
    expect(Sanitize.unstyled("\u001b[31mred\u001b[39m\u001b[2J")).toBe("red?[2J")
    fc.assert(
      fc.property(anything, (value) => {
        holdsNone(Sanitize.unstyled(value))
        // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences that may stay.
        holdsNone(Sanitize.styled(value).replaceAll(/\u001b\[[0-9;]+m/g, ""))
      })
    )
  })

  test("of data is sanitized wherever a text stands in it", () => {
    const shown = Sanitize.deep({ a: ["\u001b[2J", 1, null], "k\u0007": { b: "x\u009by", c: true } })
    expect(shown).toEqual({ a: ["?[2J", 1, null], "k?": { b: "x?y", c: true } })
  })

  test("in pieces reads as it does whole, however it is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom("\r", "\n", "a\r", "\nb"), anything)), (parts) => {
        const stream = Sanitize.pieces()
        const shown = parts.map((part) => stream.next(part)).join("") + stream.end()
        expect(shown).toBe(Sanitize.text(parts.join("")))
      })
    )
  })

  test("as JSON holds none of them either, and is the same data", () => {
    fc.assert(
      fc.property(anything, (value) => {
        const shown = Sanitize.json({ value, [value]: 1 })
        holdsNone(shown)
        expect(shown).not.toContain("\n")
        expect(JSON.parse(shown)).toEqual(JSON.parse(JSON.stringify({ value, [value]: 1 })))
      })
    )
  })
})
