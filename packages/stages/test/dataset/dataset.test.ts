import { assert, layer } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect, FileSystem } from "effect"
import * as fc from "fast-check"
import { buildDataset } from "../../src/dataset/buildDataset.ts"
import * as DatasetReader from "../../src/dataset/DatasetReader.ts"
import type { Split } from "../../src/split/Split.ts"
import { splitCorpus } from "../../src/split/splitCorpus.ts"
import * as Tokenizer from "../../src/tokenize/Tokenizer.ts"
import type { TokenizerArtifact } from "../../src/tokenize/TokenizerArtifact.ts"
import { tokenize } from "../../src/tokenize/tokenize.ts"
import { corpusOf, someCode } from "../corpusOf.ts"
import * as Running from "../runStage.ts"
import { splitOf, type Texts } from "../splitOf.ts"

const split = {} as Stage.Node<typeof Split, never, never>
const tokenizer = {} as Stage.Node<typeof TokenizerArtifact, never, never>
const code = Array.from({ length: 30 }, (_, seed) => someCode(seed, 5 + (seed % 7)))
const texts = { train: code.slice(0, 20), validation: code.slice(20, 25), test: code.slice(25) }

interface Options {
  readonly maximumTokens?: number
}

type TokenizerOptions = Omit<Parameters<typeof tokenize>[0], "split" | "name" | "after">

/** Builds a dataset of a split, with a tokenizer of the same split. */
const built = Effect.fnUntraced(function* (
  given: Artifact<typeof Split>,
  options: Options = {},
  tokenizerOptions: TokenizerOptions = { minimumFrequency: 1, vocabularySize: 350 }
) {
  const learned = yield* Running.runStage(tokenize({ split, ...tokenizerOptions }), { split: given })
  const ran = yield* Running.runStage(buildDataset({ split, tokenizer, ...options }), {
    split: given,
    tokenizer: learned.artifact
  })
  return { ...ran, split: given, tokenizer: yield* Tokenizer.load(ran.artifact.directory) }
})

const made = Effect.fnUntraced(function* (options: Options = {}, given: Texts = texts) {
  return yield* built(yield* splitOf(given), options)
})

/** The artifact of a tokenizer whose files were changed on purpose. */
const renamed = Effect.fnUntraced(function* (artifact: Artifact<typeof TokenizerArtifact>) {
  const { digest } = yield* Tokenizer.load(artifact.directory)
  return { ...artifact, value: { ...artifact.value, digest } }
})

layer(Running.layer)("dataset", (it) => {
  it.effect("holds every document once, whole, followed by the end token", () =>
    Effect.gen(function* () {
      const { artifact, tokenizer } = yield* made()
      const dataset = yield* DatasetReader.open(artifact.directory)
      assert.deepStrictEqual(dataset.value, artifact.value)
      const seen = new Set<number>()
      for (const split of [dataset.train, dataset.validation, dataset.test!]) {
        for (const document of split.documents) {
          const tokens = yield* split.read(document.start, document.tokens)
          assert.strictEqual(tokens.at(-1), artifact.value.endTokenId)
          assert.strictEqual(yield* tokenizer.decode(tokens.slice(0, -1)), code[document.id])
          assert.strictEqual(document.bytes, Buffer.byteLength(code[document.id]!))
          assert.isFalse(seen.has(document.id))
          seen.add(document.id)
        }
      }
      assert.strictEqual(seen.size, code.length)
      const { test, train, validation } = artifact.value
      assert.strictEqual(train.documents + validation.documents + test!.documents, code.length)
      assert.isAbove(test!.documents, 0)
    })
  )

  it.effect("finds the document that a token belongs to", () =>
    Effect.gen(function* () {
      const { artifact } = yield* made()
      const { train } = yield* DatasetReader.open(artifact.directory)
      for (let index = 0; index < train.length; index++) {
        const document = train.documentAt(index)!
        assert.isTrue(document.start <= index && index < document.start + document.tokens)
      }
      assert.isUndefined(train.documentAt(-1))
      assert.isUndefined(train.documentAt(train.length))
    })
  )

  it.effect("keeps the order of the split", () =>
    Effect.gen(function* () {
      const { artifact } = yield* made()
      const { test, train, validation } = yield* DatasetReader.open(artifact.directory)
      assert.deepStrictEqual(
        [train, validation, test!].flatMap((split) => split.documents.map(({ id }) => id)),
        code.map((_, id) => id)
      )
    })
  )

  it.effect("cuts the training split at exactly the tokens asked for", () =>
    Effect.gen(function* () {
      const { artifact, tokenizer } = yield* made({ maximumTokens: 333 })
      assert.strictEqual(artifact.value.train.tokens, 333)
      const { train, validation } = yield* DatasetReader.open(artifact.directory)
      assert.strictEqual(train.length, 333)
      const last = train.documents.at(-1)!
      const text = yield* tokenizer.decode(yield* train.read(last.start, last.tokens))
      assert.isTrue(code[last.id]!.startsWith(text))
      assert.strictEqual(last.bytes, Buffer.byteLength(text))
      assert.deepStrictEqual(last.part, { from: 0, of: Buffer.byteLength(code[last.id]!) })
      assert.strictEqual(artifact.value.train.partial, 1)
      assert.strictEqual(
        artifact.value.train.bytes,
        train.documents.reduce((sum, document) => sum + document.bytes, 0)
      )
      assert.isUndefined(artifact.value.train.text)
      assert.strictEqual(validation.length, (yield* made()).artifact.value.validation.tokens)
    })
  )

  it.effect("names the same text the same with any tokenizer", () =>
    Effect.gen(function* () {
      const given = yield* splitOf(texts)
      const one = yield* built(given, {}, { vocabularySize: 300 })
      const other = yield* built(given, {}, { model: "word-level", vocabularySize: 40 })
      for (const name of ["train", "validation", "test"] as const) {
        assert.strictEqual(one.artifact.value[name]?.text, given.value[name]?.digest)
        assert.strictEqual(other.artifact.value[name]?.text, given.value[name]?.digest)
        assert.notStrictEqual(one.artifact.value[name]?.digest, other.artifact.value[name]?.digest)
      }
    })
  )

  it.effect(
    "marks documents of which the split has a part, which have no end token unless it is their end",
    () =>
      Effect.gen(function* () {
        const { artifact: given } = yield* Running.runStage(
          splitCorpus({ corpus: {} as never, validationShare: 0.5, validationDocumentBytes: 120 }),
          { corpus: yield* corpusOf(code) }
        )
        const { artifact, tokenizer } = yield* built(given)
        const { train, validation, value } = yield* DatasetReader.open(artifact.directory)
        const parts = validation.documents.filter(({ part }) => part !== undefined)
        assert.isAbove(parts.length, 5)
        assert.strictEqual(value.validation.partial, parts.length)
        assert.strictEqual(value.validation.documents, given.value.validation.documents)
        let ended = 0
        for (const { bytes, id, part, start, tokens } of validation.documents) {
          const read = yield* validation.read(start, tokens)
          const isEnd = part === undefined || part.from + bytes === part.of
          assert.strictEqual(read.at(-1) === value.endTokenId, isEnd)
          const from = part?.from ?? 0
          const text = yield* tokenizer.decode(isEnd ? read.slice(0, -1) : read)
          assert.strictEqual(text, code[id]!.slice(from, from + bytes))
          if (part !== undefined && isEnd) ended++
        }
        assert.isBelow(ended, parts.length)
        assert.isTrue(train.documents.every(({ part }) => part === undefined))
      })
  )

  it.effect("refuses a tokenizer that was learned from validation or test documents", () =>
    Effect.gen(function* () {
      const given = yield* splitOf(texts)
      const build = (learnedFrom: Texts) =>
        Effect.gen(function* () {
          const other = yield* splitOf(learnedFrom)
          const learned = yield* Running.runStage(tokenize({ split, vocabularySize: 300 }), { split: other })
          return yield* Running.runStage(buildDataset({ split, tokenizer }), {
            split: given,
            tokenizer: learned.artifact
          })
        })
      for (const leak of [texts.validation[0]!, texts.test[2]!]) {
        const error = yield* Effect.flip(build({ train: [...texts.train, leak] }))
        assert.strictEqual(error._tag, "ContaminatedTokenizer")
        assert.include(error.message, "learned from 1 document of this split's validation and test documents")
      }
      // Other texts, fewer of them, and a text that is a training document too, are no leak.
      yield* build({ train: ["int other;\n".repeat(60), ...texts.train] })
      yield* build({ train: texts.train.slice(0, 4) })
      yield* made({}, { ...texts, validation: [texts.train[0]!, texts.validation[0]!] })
    })
  )

  it.effect("counts the bytes of a split that is cut inside a character to the byte", () =>
    Effect.gen(function* () {
      // Without merges each byte is a token, and each character here has three bytes.
      const texts = Array.from({ length: 4 }, (_, index) => "\u20ac\u4e16".repeat(20 + index))
      const given = yield* splitOf({ train: texts })
      for (const maximumTokens of [50, 51, 52]) {
        const { artifact } = yield* built(given, { maximumTokens }, { vocabularySize: 257 })
        assert.strictEqual(artifact.value.train.tokens, maximumTokens)
        assert.strictEqual(artifact.value.train.bytes, maximumTokens)
      }
    })
  )

  it.effect("counts the bytes of unknown words of a cut split as they stand in the text", () =>
    Effect.gen(function* () {
      const known = "known \u20ac known \u20ac known"
      const texts = [known, `${known} ${"\u{1f600} strange ".repeat(60)}`]
      const { artifact } = yield* built(
        yield* splitOf({ train: texts }),
        { maximumTokens: 40 },
        { model: "word-level", vocabularySize: 5, minimumFrequency: 1 }
      )
      const { train } = yield* DatasetReader.open(artifact.directory)
      const last = train.documents.at(-1)!
      const words = texts[last.id]!.match(/\p{L}+|[^\p{L}]/gu)!.slice(0, last.tokens)
      assert.isBelow(last.tokens, texts[last.id]!.match(/\p{L}+|[^\p{L}]/gu)!.length)
      assert.strictEqual(last.bytes, Buffer.byteLength(words.join("")))
    })
  )

  it.effect("carries the digest of its tokenizer, and refuses files that are not that tokenizer's", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const given = yield* splitOf(texts)
      const learned = yield* Running.runStage(tokenize({ split, vocabularySize: 300 }), { split: given })
      const build = Running.runStage(buildDataset({ split, tokenizer }), {
        split: given,
        tokenizer: learned.artifact
      })
      assert.strictEqual((yield* build).artifact.value.tokenizer, learned.artifact.value.digest)
      const file = `${learned.artifact.directory}/tokenizer.json`
      const json = JSON.parse(yield* fs.readFileString(file))
      json.model.merges.reverse()
      yield* fs.writeFileString(file, JSON.stringify(json))
      const error = yield* Effect.flip(build)
      assert.strictEqual(error._tag, "TokenizerMismatch")
    })
  )

  it.effect("uses four bytes a token where two are too few", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const given = yield* splitOf({ train: ["one two\n"], validation: ["two one\n"] })
      const learned = yield* Running.runStage(
        tokenize({ split, model: "word-level", vocabularySize: 6, minimumFrequency: 1 }),
        { split: given }
      )
      // The same words with larger ids: a vocabulary may have gaps.
      const file = `${learned.artifact.directory}/tokenizer.json`
      const json = JSON.parse(yield* fs.readFileString(file))
      json.model.vocab = { ...json.model.vocab, one: 70_000, two: 70_001 }
      yield* fs.writeFileString(file, JSON.stringify(json))
      const { artifact } = yield* Running.runStage(buildDataset({ split, tokenizer }), {
        split: given,
        tokenizer: yield* renamed(learned.artifact)
      })
      assert.strictEqual(artifact.value.tokenBytes, 4)
      const dataset = yield* DatasetReader.open(artifact.directory)
      assert.includeMembers([...(yield* dataset.train.read(0, dataset.train.length))], [70_000, 70_001])
    })
  )

  it.effect("refuses a split without two tokens", () =>
    Effect.gen(function* () {
      const short = yield* Effect.flip(made({}, { train: code, validation: [""] }))
      assert.strictEqual(short._tag, "ImpossibleSplit")
      assert.include(short.message, "The validation split has 1 token, and a prediction takes two.")
      const cut = yield* Effect.flip(made({ maximumTokens: 1 }))
      assert.include(cut.message, "The training split has 1 token")
    })
  )

  it.effect("names a split whose files do not fit together", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const given = yield* splitOf(texts)
      yield* fs.truncate(`${given.directory}/text.bin`, 100)
      const error = yield* Effect.flip(Running.runStage(tokenize({ split }), { split: given }))
      assert.strictEqual(error._tag, "DamagedCorpus")
      assert.include(error.message, "text.bin is damaged (100 bytes where")
      assert.include(error.message, "Run the split stage again")
    })
  )
})

layer(Running.layer)("a damaged dataset", (it) => {
  it.effect("is named, whichever file was cut or changed", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { artifact } = yield* made()
      const files = ["train.bin", "validation.bin", "test.bin", "documents.jsonl", "dataset.json"]
      const damage = fc.record({
        file: fc.constantFrom(...files),
        cut: fc.option(fc.double({ min: 0, max: 0.99, noNaN: true }), { freq: 2 }),
        at: fc.double({ min: 0, max: 0.999, noNaN: true }),
        flip: fc.integer({ min: 1, max: 255 })
      })
      for (const { at, cut, file, flip } of fc.sample(damage, { numRuns: 100, seed: 9 })) {
        const path = `${artifact.directory}/${file}`
        const whole = yield* fs.readFile(path)
        const changed = Uint8Array.from(whole)
        const index = Math.floor(at * whole.length)
        changed[index] = changed[index]! ^ flip
        yield* fs.writeFile(path, cut === null ? changed : whole.subarray(0, Math.floor(cut * whole.length)))
        const outcome = yield* DatasetReader.open(artifact.directory).pipe(
          Effect.as("opened"),
          Effect.catch((error) => Effect.succeed(error._tag))
        )
        yield* fs.writeFile(path, whole)
        // A path that is still possible is for the store's digests to find; a cut and a changed token are always found here.
        if (cut !== null || file.endsWith(".bin"))
          assert.strictEqual(outcome, "DamagedDataset", `${file} cut at ${cut} or changed`)
        else assert.include(["opened", "DamagedDataset"], outcome)
      }
      yield* DatasetReader.open(artifact.directory)
    })
  )
})
