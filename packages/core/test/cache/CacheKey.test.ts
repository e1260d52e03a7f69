import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { difference, type KeyParts, of } from "../../src/cache/CacheKey.ts"

const base: KeyParts = {
  stage: "tokenize",
  version: 1,
  output: "tokenizer@1",
  config: { vocabularySize: 5000, model: { kind: "byte-pair", layers: 2 }, prompts: ["int main"] },
  inputs: { corpus: "aa" },
  code: {
    digest: "d",
    entry: "p/tokenize.ts",
    files: { "p/tokenize.ts": "1", "p/bpe.ts": "2" },
    packages: { effect: "4.1.0" }
  },
  externalDigest: null,
  compute: null
}
const { code } = base

describe("difference", () => {
  const cases: ReadonlyArray<readonly [string, Partial<KeyParts>]> = [
    ["config.vocabularySize 5000 → 10000", { config: { ...base.config, vocabularySize: 10_000 } }],
    ["config.model.layers 2 → 4", { config: { ...base.config, model: { kind: "byte-pair", layers: 4 } } }],
    ["config.prompts.1 nothing → struct", { config: { ...base.config, prompts: ["int main", "struct"] } }],
    ["config.seed nothing → 1", { config: { ...base.config, seed: 1 } }],
    ["version 1 → 2", { version: 2 }],
    ["makes tokenizer@2 instead of tokenizer@1", { output: "tokenizer@2" }],
    ["input corpus changed", { inputs: { corpus: "bb" } }],
    ["inputs corpus, tokenizer changed", { inputs: { corpus: "bb", tokenizer: "cc" } }],
    [
      "code of tokenize.ts changed: bpe.ts",
      { code: { ...code, digest: "e", files: { ...code.files, "p/bpe.ts": "9" } } }
    ],
    [
      "code of tokenize.ts changed",
      { code: { ...code, digest: "e", files: { ...code.files, "p/tokenize.ts": "9" } } }
    ],
    [
      "code of tokenize.ts changed: bpe.ts no longer used",
      { code: { ...code, digest: "e", files: { "p/tokenize.ts": "1" } } }
    ],
    [
      "code of tokenize.ts changed: new.ts now used",
      { code: { ...code, digest: "e", files: { ...code.files, "p/new.ts": "3" } } }
    ],
    [
      "code of tokenize.ts changed: effect 4.1.0 → 4.2.0",
      { code: { ...code, packages: { effect: "4.2.0" } } }
    ],
    ["code of tokenize.ts changed", { code: { ...code, digest: "e" } }],
    ["engine no engine → cpu f32", { compute: { engine: "cpu", precision: "f32" } }],
    ["what it reads beside its inputs changed", { externalDigest: "dd" }]
  ]
  for (const [reason, change] of cases) {
    it(reason, () => {
      const now = { ...base, ...change }
      expect(difference(base, now)).toBe(reason)
      expect(of(now)).not.toBe(of(base))
    })
  }

  it("names what changed of the things that a stage reads beside its inputs", () => {
    const before: KeyParts = { ...base, externalDigest: { compiler: "gcc 12.2.0", grammar: "aa" } }
    const now: KeyParts = { ...base, externalDigest: { grammar: "aa", compiler: "none" } }
    expect(difference(before, now)).toBe("compiler gcc 12.2.0 → none")
    expect(of(now)).not.toBe(of(before))
    expect(difference(now, { ...now, externalDigest: { compiler: "none", grammar: "bb" } })).toBe(
      "grammar aa → bb"
    )
    expect(difference(base, now)).toBe("what it reads beside its inputs changed")
    expect(difference(now, { ...now, externalDigest: { compiler: "none", grammar: "aa" } })).toBeUndefined()
  })

  it("lists several changes, the first few by name", () => {
    const now: KeyParts = { ...base, config: { a: 1, b: 2, c: 3, d: 4 }, inputs: { corpus: "bb" } }
    expect(difference(base, now)).toBe(
      "config.a nothing → 1, config.b nothing → 2, config.c nothing → 3 and 4 more; input corpus changed"
    )
  })
})

describe("of", () => {
  const anything = fc.dictionary(fc.string(), fc.jsonValue())

  it("does not depend on the order of keys", () => {
    fc.assert(
      fc.property(anything, (config) => {
        const turned = Object.fromEntries(Object.entries(config).reverse())
        expect(of({ ...base, config: turned })).toBe(of({ ...base, config }))
      })
    )
  })

  it("is equal exactly when there is no difference to tell", () => {
    fc.assert(
      fc.property(anything, anything, (a, b) => {
        const [before, after] = [
          { ...base, config: a },
          { ...base, config: b }
        ]
        expect(difference(before, after) === undefined).toBe(of(before) === of(after))
      })
    )
  })
})
