/** Texts of all sorts for properties: any code points, common ones, and pieces of code and of traps. */
import * as fc from "fast-check"

const codePoint = (maximum: number) =>
  fc.integer({ min: 0, max: maximum }).filter((code) => code < 0xd800 || code > 0xdfff)

const from = (maximum: number, length: number) =>
  fc.array(codePoint(maximum), { maxLength: length }).map((codes) => String.fromCodePoint(...codes))

const pieces = [
  "int ",
  "<|endoftext|>",
  "\n    ",
  "\n",
  "\t",
  "return",
  "\r\n",
  "é",
  "<unk>",
  "  ",
  "'s",
  "9",
  "_"
]

export const anyText = fc.oneof(
  from(0x10ffff, 40),
  from(0x4ff, 80),
  from(0x7f, 80),
  fc
    .array(fc.constantFrom(...pieces, "\u00a0", "\u0085", "\ufeff", "//", "漢", "👩‍💻"), { maxLength: 40 })
    .map((parts) => parts.join(""))
)
