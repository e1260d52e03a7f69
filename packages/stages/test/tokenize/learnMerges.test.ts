import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as fc from "fast-check"
import { BPE, byteLevelPreTokenizer, Tokenizer as Library } from "tokenizers"
import { type Learned, learnMerges } from "../../src/tokenize/learnMerges.ts"
import { bytePairWords, split } from "../../src/tokenize/splitting.ts"
import { someCode } from "../corpusOf.ts"
import { anyText } from "./texts.ts"

const finish = (learning: Generator<number, Learned>): Learned => {
  let step = learning.next()
  while (step.done !== true) step = learning.next()
  return step.value
}

const count = (texts: ReadonlyArray<string>): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const text of texts)
    for (const word of split(text, bytePairWords)) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}

const inWords = ({ merges, tokens }: Learned): ReadonlyArray<string> =>
  merges.map(([left, right]) => `${tokens[left]} ${tokens[right]}`)

describe("learning merges", () => {
  it.effect("learns what the tokenizers library learns from the same lines", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      // The library reads line by line, so this learner is given lines here too.
      const lines = Array.from({ length: 60 }, (_, seed) => someCode(seed, 10).split(/(?<=\n)/)).flat()
      const file = yield* fs.makeTempFileScoped()
      yield* fs.writeFileString(file, lines.join(""))
      const library = new Library(BPE.empty())
      library.setPreTokenizer(byteLevelPreTokenizer(false, true))
      library.train([file])
      const saved = yield* fs.makeTempFileScoped()
      library.save(saved)
      const theirs: ReadonlyArray<readonly [string, string]> = JSON.parse(yield* fs.readFileString(saved))
        .model.merges
      const ours = inWords(finish(learnMerges(count(lines), 30_000, 1)))
      assert.isAbove(ours.length, 200)
      assert.deepStrictEqual(
        ours,
        theirs.map((pair) => pair.join(" "))
      )
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it("accounts for every byte, and stops at the size or the frequency asked for", () => {
    fc.assert(
      fc.property(
        fc.array(anyText, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 256, max: 400 }),
        fc.integer({ min: 1, max: 3 }),
        (texts, size, frequency) => {
          const words = count(texts)
          const learned = finish(learnMerges(words, size, frequency))
          assert.isAtMost(learned.tokens.length, size)
          assert.strictEqual(new Set(learned.tokens).size, learned.tokens.length)
          const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
          assert.isAtMost(learned.totalTokens, bytes)
          if (learned.merges.length === 0) assert.strictEqual(learned.totalTokens, bytes)
          // A larger vocabulary begins with the smaller one.
          const larger = finish(learnMerges(words, size + 20, frequency))
          assert.deepStrictEqual(larger.tokens.slice(0, learned.tokens.length), learned.tokens)
        }
      ),
      { numRuns: 30 }
    )
  })

  it("merges from the left, and equally frequent pairs by their ids", () => {
    const learned = finish(learnMerges(new Map([["aaaaa", 2]]), 300, 1))
    assert.deepStrictEqual(inWords(learned), ["a a", "aa a", "aa aaa"])
    assert.strictEqual(learned.totalTokens, 2)
  })
})
