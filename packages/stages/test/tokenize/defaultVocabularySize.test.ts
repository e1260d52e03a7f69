import { assert, describe, it } from "@effect/vitest"
import { defaultVocabularySize } from "../../src/tokenize/defaultVocabularySize.ts"

describe("the default size of a vocabulary", () => {
  it("is 2,000 at 1 MB and grows with the square root of the text", () => {
    assert.strictEqual(defaultVocabularySize(1e6), 2_000)
    assert.strictEqual(defaultVocabularySize(4e6), 4_000)
    assert.strictEqual(defaultVocabularySize(250_000), 1_008)
    assert.strictEqual(defaultVocabularySize(0), 320)
    assert.strictEqual(defaultVocabularySize(1e15), 65_536)
  })

  it("is at most what suits the model", () => {
    const at = (embedding: number, parameters: number) =>
      defaultVocabularySize(1e9, { embedding, layers: parameters / (12 * embedding ** 2) })
    assert.closeTo(at(192, 1e6), 900, 30)
    assert.closeTo(at(256, 3.2e6), 1_700, 60)
    assert.closeTo(at(384, 10e6), 3_000, 50)
    assert.strictEqual(defaultVocabularySize(1e6, { embedding: 384, layers: 6 }), 2_000)
  })
})
