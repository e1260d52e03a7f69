import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { stopTexts } from "../../src/generate/stopTexts.ts"

/** What is shown after each piece, and in the end. */
const shownOf = (pieces: ReadonlyArray<string>, stops: ReadonlyArray<string>) => {
  const stop = stopTexts(stops)
  const shown: Array<string> = []
  let text = ""
  for (const piece of pieces) {
    const passed = stop.next(piece)
    text += passed.text
    shown.push(text)
    if (passed.stopped) return { shown, text }
  }
  return { shown, text: text + stop.end() }
}

// Few letters, so that stop texts and their beginnings occur.
const letters = fc.string({ unit: fc.constantFrom("a", "b", "é", "😀"), maxLength: 12 })
const stops = fc.array(
  letters.filter((text) => text !== ""),
  { maxLength: 3 }
)

/** Ends before the stop text that begins first. */
const expected = (text: string, stops: ReadonlyArray<string>) =>
  text.slice(0, Math.min(text.length, ...stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0)))

describe("stopTexts", () => {
  it("ends before the first stop text, however the text is cut", () => {
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 6 }), stops, (pieces, stops) => {
        const { shown, text } = shownOf(pieces, stops)
        const whole = pieces.join("")
        // A stop text that ends first is found first, so one that began before it and is longer does not count.
        const ends = stops.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0)
        assert.isTrue(whole.startsWith(text))
        if (ends.length === 0) assert.strictEqual(text, whole)
        else assert.isTrue(stops.some((stop) => whole.startsWith(stop, text.length)))
        for (const stop of stops) assert.notInclude(text, stop)
        if (pieces.length === 1) assert.strictEqual(text, expected(whole, stops))
        // Nothing is shown that is taken back.
        for (const part of shown) assert.isTrue(text.startsWith(part))
      })
    )
  })

  it("never shows a part of a stop text that spans pieces", () => {
    fc.assert(
      fc.property(
        letters,
        letters.filter((text) => text !== ""),
        fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 4 }),
        (before, stop, cuts) => {
          const whole = `${before}${stop}after`
          const places = [0, ...cuts.filter((cut) => cut <= whole.length).sort((a, b) => a - b), whole.length]
          const pieces = places.slice(1).map((place, index) => whole.slice(places[index], place))
          assert.strictEqual(shownOf(pieces, [stop]).text, whole.slice(0, whole.indexOf(stop)))
        }
      )
    )
  })

  it("gives what looked like a stop text, and was none", () => {
    assert.deepStrictEqual(shownOf(["int a", ";\n", "\n", "b"], ["\n\n\n"]).shown, [
      "int a",
      "int a;",
      "int a;",
      "int a;\n\nb"
    ])
    assert.strictEqual(shownOf(["a\n\n"], ["\n\n\n"]).text, "a\n\n")
  })
})
