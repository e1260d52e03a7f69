import { assert, layer } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import { Effect, FileSystem } from "effect"
import * as fc from "fast-check"
import type { Corpus } from "../../src/collect/Corpus.ts"
import { buildDataset } from "../../src/dataset/buildDataset.ts"
import * as DatasetReader from "../../src/dataset/DatasetReader.ts"
import * as Tokenizer from "../../src/tokenize/Tokenizer.ts"
import type { TokenizerArtifact } from "../../src/tokenize/TokenizerArtifact.ts"
import { tokenize } from "../../src/tokenize/tokenize.ts"
import { corpusOf, someCode } from "../corpusOf.ts"
import * as Running from "../runStage.ts"

const corpus = {} as Stage.Node<typeof Corpus, never, never>
const tokenizer = {} as Stage.Node<typeof TokenizerArtifact, never, never>
const code = Array.from({ length: 30 }, (_, seed) => someCode(seed, 5 + (seed % 7)))

interface Options {
  readonly sequenceLength?: number
  readonly seed?: number
  readonly maximumTokens?: number
  readonly maximumValidationTokens?: number
  readonly maximumTestTokens?: number
  readonly testShare?: number
}

const made = Effect.fnUntraced(function* (options: Options = {}, texts: ReadonlyArray<string> = code) {
  const documents = yield* corpusOf(texts)
  const learned = yield* Running.runStage(tokenize({ corpus, minimumFrequency: 1, vocabularySize: 350 }), {
    corpus: documents
  })
  const built = yield* Running.runStage(
    buildDataset({ corpus, tokenizer, sequenceLength: 16, validationShare: 0.2, ...options }),
    { corpus: documents, tokenizer: learned.artifact }
  )
  return { ...built, tokenizer: yield* Tokenizer.load(built.artifact.directory) }
})

layer(Running.layer)("dataset", (it) => {
  it.effect("holds every document once, whole, followed by the end token", () =>
    Effect.gen(function* () {
      const { artifact, events, tokenizer } = yield* made()
      const dataset = yield* DatasetReader.open(artifact.directory)
      assert.deepStrictEqual(dataset.value, artifact.value)
      const seen = new Set<number>()
      for (const split of [dataset.train, dataset.validation, dataset.test!]) {
        for (const document of split.documents) {
          const tokens = split.tokens.subarray(document.start, document.start + document.tokens)
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
      assert.isTrue(events.some((event) => event.type === "Facts"))
    })
  )

  it.effect("finds the document that a token belongs to", () =>
    Effect.gen(function* () {
      const { artifact } = yield* made()
      const { train } = yield* DatasetReader.open(artifact.directory)
      for (let index = 0; index < train.tokens.length; index++) {
        const document = train.documentAt(index)!
        assert.isTrue(document.start <= index && index < document.start + document.tokens)
      }
      assert.isUndefined(train.documentAt(-1))
      assert.isUndefined(train.documentAt(train.tokens.length))
    })
  )

  it.effect("is the same for the same seed", () =>
    Effect.gen(function* () {
      const order = (seed: number) =>
        Effect.gen(function* () {
          const { artifact } = yield* made({ seed })
          const { test, train, validation } = yield* DatasetReader.open(artifact.directory)
          return [train, validation, test!].map((split) => split.documents.map((document) => document.id))
        })
      assert.deepStrictEqual(yield* order(4), yield* order(4))
      assert.notDeepEqual(yield* order(4), yield* order(5))
    })
  )

  it.effect("cuts a split at exactly the tokens asked for", () =>
    Effect.gen(function* () {
      const { artifact, tokenizer } = yield* made({
        maximumTokens: 333,
        maximumValidationTokens: 50,
        maximumTestTokens: 40
      })
      assert.strictEqual(artifact.value.train.tokens, 333)
      assert.strictEqual(artifact.value.validation.tokens, 50)
      assert.strictEqual(artifact.value.test?.tokens, 40)
      const { train } = yield* DatasetReader.open(artifact.directory)
      assert.lengthOf(train.tokens, 333)
      const last = train.documents.at(-1)!
      const text = yield* tokenizer.decode(train.tokens.subarray(last.start))
      assert.isTrue(code[last.id]!.startsWith(text))
      assert.strictEqual(last.bytes, Buffer.byteLength(text))
      assert.strictEqual(
        artifact.value.train.bytes,
        train.documents.reduce((sum, document) => sum + document.bytes, 0)
      )
    })
  )

  it.effect("keeps validation, and the beginning of training, what they are without a test split", () =>
    Effect.gen(function* () {
      const open = (options: Options) =>
        Effect.flatMap(made({ maximumTokens: 333, ...options }), ({ artifact }) =>
          DatasetReader.open(artifact.directory)
        )
      const without = yield* open({ testShare: 0 })
      const { test, train, validation } = yield* open({})
      assert.isUndefined(without.test)
      assert.isDefined(test)
      assert.deepStrictEqual(train.tokens, without.train.tokens)
      assert.deepStrictEqual(validation.tokens, without.validation.tokens)
    })
  )

  it.effect(
    "says what follows where the corpus is too small for a test split, unless none was asked for",
    () =>
      Effect.gen(function* () {
        const notes = Effect.fnUntraced(function* (options: Options) {
          const { artifact, events } = yield* made(options, [someCode(1, 40), someCode(2, 40)])
          assert.isUndefined(artifact.value.test)
          assert.isUndefined((yield* DatasetReader.open(artifact.directory)).test)
          return events.flatMap((event) => (event.type === "Note" ? event.message : []))
        })
        const [said, ...more] = yield* notes({})
        assert.lengthOf(more, 0)
        assert.include(said, "The corpus of 2 documents is too small for a test split")
        assert.include(said, "judged on the validation split")
        assert.lengthOf(yield* notes({ testShare: 0 }), 0)
      })
  )

  it.effect("uses four bytes a token where two are too few", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const documents = yield* corpusOf(["one two\n", "two one\n"])
      const learned = yield* Running.runStage(
        tokenize({ corpus, model: "word-level", vocabularySize: 6, minimumFrequency: 1 }),
        { corpus: documents }
      )
      // The same words with larger ids: a vocabulary may have gaps.
      const file = `${learned.artifact.directory}/tokenizer.json`
      const json = JSON.parse(yield* fs.readFileString(file))
      json.model.vocab = { ...json.model.vocab, one: 70_000, two: 70_001 }
      yield* fs.writeFileString(file, JSON.stringify(json))
      const { artifact } = yield* Running.runStage(
        buildDataset({ corpus, tokenizer, sequenceLength: 2, validationShare: 0.5 }),
        { corpus: documents, tokenizer: learned.artifact }
      )
      assert.strictEqual(artifact.value.tokenBytes, 4)
      const dataset = yield* DatasetReader.open(artifact.directory)
      assert.includeMembers([...dataset.train.tokens], [70_000, 70_001])
    })
  )

  it.effect("says what would do where a split is impossible", () =>
    Effect.gen(function* () {
      const long = yield* Effect.flip(made({ sequenceLength: 100_000 }))
      assert.strictEqual(long._tag, "ImpossibleSplit")
      const largest = Number(/the largest possible is (\d+)/.exec(long.message)?.[1])
      assert.include(long.message, "is longer than the validation split")
      const fits = yield* made({ sequenceLength: largest })
      assert.strictEqual(fits.artifact.value.sequenceLength, largest)
      assert.strictEqual((yield* Effect.flip(made({ sequenceLength: largest + 1 })))._tag, "ImpossibleSplit")
      const alone = yield* Effect.flip(made({}, [someCode(1, 100)]))
      assert.include(alone.message, "The corpus has one document")
    })
  )

  it.effect("names a corpus whose files do not fit together", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const documents = yield* corpusOf(code)
      yield* fs.truncate(`${documents.directory}/text.bin`, 1000)
      const error = yield* Effect.flip(Running.runStage(tokenize({ corpus }), { corpus: documents }))
      assert.strictEqual(error._tag, "DamagedCorpus")
      assert.include(error.message, "text.bin is damaged (1000 bytes where")
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
        // A changed token or path that is still possible is for the store's digests to find; a cut is always found here.
        if (cut !== null) assert.strictEqual(outcome, "DamagedDataset", `${file} cut at ${cut}`)
        else assert.include(["opened", "DamagedDataset"], outcome)
      }
      yield* DatasetReader.open(artifact.directory)
    })
  )
})
