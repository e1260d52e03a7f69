import { expect, test } from "vitest"
import * as MinHash from "../../src/refine/MinHash.ts"
import { jaccard, shinglesOf } from "../../src/refine/shingles.ts"

test("bands are as long as they may be for 99 % of the pairs at the threshold", () => {
  const banding = MinHash.bandingFor(256, 0.7)
  expect(banding).toEqual({ bands: 42, rows: 6 })
  expect(MinHash.candidateProbability(banding, 0.7)).toBeGreaterThan(0.99)
  expect(MinHash.candidateProbability({ bands: 36, rows: 7 }, 0.7)).toBeLessThan(0.99)
  expect(MinHash.candidateProbability(banding, 0.3)).toBeLessThan(0.05)
})

test("two sets agree in as many permutations as their similarity says", () => {
  const one = Uint32Array.from({ length: 1000 }, (_, index) => index)
  const other = Uint32Array.from({ length: 1000 }, (_, index) => index + 250)
  const keysOf = MinHash.make({ bands: 2000, rows: 1 })
  const [first, second] = [new Uint32Array(2000), new Uint32Array(2000)]
  keysOf(one, first)
  keysOf(other, second)
  const agreeing = first.filter((key, band) => key === second[band]).length / 2000
  expect(Math.abs(agreeing - jaccard(one, other))).toBeLessThan(0.04)
})

test("shingles ignore whitespace, and nothing else", () => {
  const shingles = shinglesOf("int a = b + 1;", 5)
  expect(shinglesOf("int\ta=b+1\r\n ;\n", 5)).toEqual(shingles)
  expect(shingles).toHaveLength(3)
  expect(jaccard(shingles, shinglesOf("int a = b + 2;", 5))).toBeLessThan(1)
  expect(shinglesOf(" \n\t", 5)).toHaveLength(0)
  expect(shinglesOf("a b", 5)).toHaveLength(1)
  expect(shinglesOf("größe 数据", 1)).toHaveLength(2)
  expect(jaccard(new Uint32Array(), new Uint32Array())).toBe(0)
})
