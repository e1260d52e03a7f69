import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { draws } from "../../src/model/draws.ts"
import { cutMiddle } from "../../src/train/middles.ts"
import { someCode } from "../corpusOf.ts"
import { anyText } from "../tokenize/texts.ts"

describe("cutMiddle", () => {
  it("cuts any text into parts that are the text again, and cuts no character in two", () => {
    fc.assert(
      fc.property(anyText, fc.integer(), (text, seed) => {
        const { middle, prefix, suffix } = cutMiddle(text, draws(seed))
        assert.strictEqual(prefix + middle + suffix, text)
        if (text.isWellFormed())
          assert.deepStrictEqual(
            [prefix, middle, suffix].map((part) => part.isWellFormed()),
            [true, true, true]
          )
      }),
      { numRuns: 500 }
    )
  })

  it("cuts at lines and between characters, single lines often", () => {
    const text = someCode(1, 30)
    const all = Array.from({ length: 2000 }, (_, seed) => cutMiddle(text, draws(seed)))
    const share = (holds: (parts: (typeof all)[number]) => boolean) => all.filter(holds).length / all.length
    const toLineEnd = ({ suffix }: (typeof all)[number]) => suffix.startsWith("\n")
    const wholeLines = (parts: (typeof all)[number]) =>
      toLineEnd(parts) && (parts.prefix === "" || parts.prefix.endsWith("\n"))
    assert.closeTo(share(toLineEnd), 0.5, 0.05)
    assert.isAbove(share(wholeLines), 0.15)
    assert.isAbove(
      share((parts) => wholeLines(parts) && !parts.middle.includes("\n")),
      0.08
    )
  })

  it("leaves the line break after a middle to the suffix, also where it is of two characters", () => {
    for (let seed = 0; seed < 200; seed++) {
      const { suffix } = cutMiddle("a\r\nb\r\nc", draws(seed))
      assert.isFalse(suffix.startsWith("\n") && draws(seed)() < 0.5)
    }
  })
})
