import { describe, expect, it } from "vitest"
import { draws } from "../../src/model/draws.ts"
import { Counter } from "../../src/ngrams/kneserNey.ts"
import { fitCachedNgram } from "../../src/validate/cachedNgram.ts"

const vocabularySize = 12
const drawn = (length: number, seed: number) => {
  const draw = draws("cached", seed)
  return Int32Array.from({ length }, () => Math.floor(vocabularySize * draw() ** 2))
}
const counter = new Counter(3, vocabularySize)
for (let seed = 0; seed < 6; seed++) counter.add(drawn(60, seed))
const kneserNey = counter.finish()

/** A drawn document and the same again: what a cache is for. */
const repeated = (seed: number) => Int32Array.from([...drawn(40, seed), ...drawn(40, seed)])

describe("the n-gram with a cache", () => {
  const cached = fitCachedNgram(kneserNey, [repeated(20), repeated(21)])

  it("gives probabilities that sum to 1 after any beginning of a document", () => {
    for (const length of [0, 1, 5, 37, 61]) {
      const begun = [...repeated(22).subarray(0, length)]
      const sum = Array.from(
        { length: vocabularySize },
        (_, token) => 2 ** -cached.score([...begun, token])[length]!
      ).reduce((total, each) => total + each, 0)
      expect(sum).toBeCloseTo(1, 5)
    }
  })

  it("needs fewer bits than Kneser-Ney where a document repeats itself, and hardly more where it does not", () => {
    const sum = (bits: Float32Array) => bits.reduce((total, each) => total + each, 0)
    expect(sum(cached.score(repeated(23)))).toBeLessThan(0.8 * kneserNey.score(repeated(23)).bits)
    const plain = fitCachedNgram(kneserNey, [drawn(80, 30), drawn(80, 31)])
    expect(sum(plain.score(drawn(80, 32)))).toBeLessThan(1.05 * kneserNey.score(drawn(80, 32)).bits)
  })

  it("is the same for the same documents", () => {
    expect(fitCachedNgram(kneserNey, [repeated(20), repeated(21)]).factors).toEqual(cached.factors)
  })
})
