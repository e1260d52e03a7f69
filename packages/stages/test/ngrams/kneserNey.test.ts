import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Counter, estimateDiscounts, type KneserNey } from "../../src/ngrams/kneserNey.ts"

const end = 0

const train = (order: number, vocabularySize: number, documents: ReadonlyArray<ReadonlyArray<number>>) => {
  const counter = new Counter(order, vocabularySize)
  for (const document of documents) counter.add([...document, end])
  return counter.finish()
}

/** The definition, written out with maps and no thought of speed. */
const byDefinition = (
  order: number,
  vocabularySize: number,
  documents: ReadonlyArray<ReadonlyArray<number>>,
  discounts: KneserNey["discounts"]
) => {
  const occurrences = new Map<string, number>()
  for (const document of documents) {
    const tokens = ["^", ...document, end]
    for (let at = 1; at < tokens.length; at++) {
      for (let length = 1; length <= Math.min(order, at + 1); length++) {
        const key = tokens.slice(at - length + 1, at + 1).join(" ")
        occurrences.set(key, (occurrences.get(key) ?? 0) + 1)
      }
    }
  }
  const count = (ngram: ReadonlyArray<number | "^">): number => {
    const key = ngram.join(" ")
    if (ngram.length === order || ngram[0] === "^") return occurrences.get(key) ?? 0
    return ["^", ...Array(vocabularySize).keys()].filter((before) => occurrences.has(`${before} ${key}`))
      .length
  }
  const probability = (context: ReadonlyArray<number | "^">, token: number): number => {
    const counts = Array.from({ length: vocabularySize }, (_, other) => count([...context, other]))
    const total = counts.reduce((sum, each) => sum + each, 0)
    const lower =
      context.length === 0
        ? () => 1 / vocabularySize
        : (other: number) => probability(context.slice(1), other)
    if (total === 0) return lower(token)
    const discount = (each: number) => (each === 0 ? 0 : discounts[context.length]![Math.min(each, 3) - 1]!)
    const mass = counts.reduce((sum, each) => sum + discount(each), 0)
    return (counts[token]! - discount(counts[token]!) + mass * lower(token)) / total
  }
  return (before: ReadonlyArray<number>, token: number) => {
    const context = ["^" as const, ...before]
    return probability(order === 1 ? [] : context.slice(Math.max(0, context.length - order + 1)), token)
  }
}

const documents = fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 12 }), {
  minLength: 1,
  maxLength: 6
})
const vocabularySize = 6

describe("Kneser-Ney", () => {
  it("agrees with a bigram model worked out by hand", () => {
    // Documents: "1 2 1 3" and "1 2", each followed by the end token 0; ^ is the start of a document; vocabulary {0, 1, 2, 3}.
    // Bigrams: ^1 twice; 12 twice; 21, 13, 30, 20 once. So n1 = 4, n2 = 2, n3 = n4 = 0: one discount, 4 / (4 + 2 * 2) = 0.5.
    // Different tokens seen before: 0 after 3 and 2: 2; 1 after ^ and 2: 2; 2 after 1: 1; 3 after 1: 1. Total 6.
    // There n1 = 2, n2 = 2, so one discount again: 2 / (2 + 4) = 1/3, and 4 * 1/3 / 6 = 2/9 goes to the uniform 1/4.
    const model = train(2, 4, [
      [1, 2, 1, 3],
      [1, 2]
    ])
    expect(model.discounts[0]).toEqual([1 / 3, 1 / 3, 1 / 3])
    expect(model.discounts[1]).toEqual([0.5, 0.5, 0.5])
    const one = (2 - 1 / 3) / 6 + 2 / 36
    const two = (1 - 1 / 3) / 6 + 2 / 36
    const start = model.distribution([])
    // ^ is followed by 1 alone, twice: (2 - 0.5) / 2 + 0.5 / 2 * p(1)
    expect(start[1]).toBeCloseTo(0.75 + 0.25 * one, 12)
    expect(start[2]).toBeCloseTo(0.25 * two, 12)
    // 1 is followed by 2 twice and by 3 once.
    const afterOne = model.distribution([1])
    expect(afterOne[2]).toBeCloseTo(1.5 / 3 + (1 / 3) * two, 12)
    expect(afterOne[3]).toBeCloseTo(0.5 / 3 + (1 / 3) * two, 12)
    expect(afterOne[1]).toBeCloseTo((1 / 3) * one, 12)
    const score = model.score([1, 2, end])
    const after2 = model.distribution([1, 2])
    expect(score.bits).toBeCloseTo(-Math.log2(start[1]! * afterOne[2]! * after2[end]!), 10)
  })

  it("gives the probabilities of the definition, for every order", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), documents, documents, (order, seen, asked) => {
        const model = train(order, vocabularySize, seen)
        const expected = byDefinition(order, vocabularySize, seen, model.discounts)
        for (const document of asked.slice(0, 2)) {
          const before = document.slice(0, 4)
          const distribution = model.distribution(before)
          for (let token = 0; token < vocabularySize; token++) {
            expect(distribution[token]).toBeCloseTo(expected(before, token), 10)
          }
        }
      }),
      { numRuns: 60 }
    )
  })

  it("gives distributions that sum to 1 after any context, seen or not", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), documents, documents, (order, seen, asked) => {
        const model = train(order, vocabularySize, seen)
        for (const document of [...asked, ...seen]) {
          const distribution = model.distribution(document)
          const sum = distribution.reduce((all, each) => all + each, 0)
          expect(sum).toBeCloseTo(1, 10)
          for (const each of distribution) expect(each).toBeGreaterThan(0)
        }
      })
    )
  })

  it("scores a document with the same probabilities, and counts its most likely tokens", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), documents, documents, (order, seen, asked) => {
        const model = train(order, vocabularySize, seen)
        for (const text of asked) {
          const document = [...text, end]
          let correct = 0
          let bits = 0
          const clear = document.map((token, at) => {
            const distribution = model.distribution(document.slice(0, at))
            const highest = Math.max(...distribution)
            if (distribution[token]! >= highest - 1e-12) correct++
            bits -= Math.log2(distribution[token]!)
            return distribution.filter((each) => each >= highest - 1e-9).length === 1
          })
          const score = model.score(document)
          expect(score.bits).toBeCloseTo(bits, 8)
          expect(score.tokens).toBe(document.length)
          // Where two tokens are equally likely either may be chosen.
          if (clear.every(Boolean)) expect(score.correct).toBe(correct)
          else expect(score.correct).toBeLessThanOrEqual(correct)
        }
      })
    )
  })

  it("lets no context cross from one document into the next", () => {
    const apart = train(3, 6, [
      [1, 2],
      [3, 4]
    ])
    const swapped = train(3, 6, [
      [3, 4],
      [1, 2]
    ])
    for (const context of [[], [1], [1, 2], [2, 3], [4]]) {
      expect(apart.distribution(context)).toEqual(swapped.distribution(context))
    }
  })

  it("takes the discounts from the counts, and states a rule where the counts are too few", () => {
    // n1 = 8, n2 = 4, n3 = 2, n4 = 1, by Chen and Goodman's formulas with y = 8 / 16.
    const counts = [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 9]
    expect(estimateDiscounts(counts)).toEqual([0.5, 1.25, 2])
    expect(estimateDiscounts([1, 1, 2])).toEqual([0.5, 0.5, 0.5])
    expect(estimateDiscounts([5, 6])).toEqual([0.5, 1, 1.5])
  })
})
