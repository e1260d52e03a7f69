import { expect, test } from "vitest"
import { isAscii, wordEnd } from "../../src/tokenize/asciiWords.ts"
import { bytePairWords, split } from "../../src/tokenize/splitting.ts"
import { WordTable } from "../../src/tokenize/WordTable.ts"

const wordsOf = (text: string): ReadonlyArray<string> => {
  const words: Array<string> = []
  for (let at = 0; at < text.length; ) {
    const end = wordEnd(text, at)
    words.push(text.slice(at, end))
    at = end
  }
  return words
}

test("the words of ASCII text are those of GPT-2's rule", () => {
  const pieces = [
    " ",
    " ",
    "\n",
    "\t",
    "\r\n",
    "'",
    "'s",
    "'ll",
    "'re",
    "x",
    "Ab",
    "12",
    "7",
    "=",
    "/*",
    "\0",
    "\v"
  ]
  let state = 1
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  for (let trial = 0; trial < 20_000; trial++) {
    const text = Array.from({ length: 1 + next(9) }, () => pieces[next(pieces.length)]).join("")
    expect(wordsOf(text), JSON.stringify(text)).toEqual(split(text, bytePairWords))
  }
  expect(isAscii("plain\x7f")).toBe(true)
  expect(isAscii("gr\u00f6\u00dfe")).toBe(false)
})

test("a table numbers words in the order in which they are added", () => {
  const table = new WordTable()
  const words = Array.from({ length: 10_000 }, (_, id) => `w${id.toString(36)}`)
  for (const [number, word] of words.entries())
    expect(table.add(`<${word}>`, 1, 1 + word.length)).toBe(number)
  for (const [number, word] of words.entries()) expect(table.add(word, 0, word.length)).toBe(number)
  const { characters, ends } = table.all
  expect(Buffer.from(characters).toString()).toBe(words.join(""))
  let end = 0
  expect([...ends]).toEqual(words.map((word) => (end += word.length)))
  expect(table.size).toBe(10_000)
  expect(table.find("none", 0, 4)).toBe(-1)
})
