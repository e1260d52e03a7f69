import { assert, layer } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import type { Artifact } from "@trainyard/core/Artifact"
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
    buildDataset({ corpus, tokenizer, validationShare: 0.2, ...options }),
    { corpus: documents, tokenizer: learned.artifact }
  )
  return { ...built, tokenizer: yield* Tokenizer.load(built.artifact.directory) }
})

/** The artifact of a tokenizer whose files were changed on purpose. */
const renamed = Effect.fnUntraced(function* (artifact: Artifact<typeof TokenizerArtifact>) {
  const { digest } = yield* Tokenizer.load(artifact.directory)
  return { ...artifact, value: { ...artifact.value, digest } }
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
      assert.isTrue(events.some((event) => event.type === "Facts"))
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
      assert.strictEqual(train.length, 333)
      const last = train.documents.at(-1)!
      const text = yield* tokenizer.decode(yield* train.read(last.start, last.tokens))
      assert.isTrue(code[last.id]!.startsWith(text))
      assert.strictEqual(last.bytes, Buffer.byteLength(text))
      assert.strictEqual(
        artifact.value.train.bytes,
        train.documents.reduce((sum, document) => sum + document.bytes, 0)
      )
    })
  )

  it.effect("counts the bytes of a split that is cut inside a character to the byte", () =>
    Effect.gen(function* () {
      // Without merges each byte is a token, and each character here has three bytes.
      const texts = Array.from({ length: 4 }, (_, index) => "\u20ac\u4e16".repeat(20 + index))
      const documents = yield* corpusOf(texts)
      const learned = yield* Running.runStage(tokenize({ corpus, vocabularySize: 257 }), {
        corpus: documents
      })
      for (const maximumTokens of [50, 51, 52]) {
        const { artifact } = yield* Running.runStage(
          buildDataset({ corpus, tokenizer, validationShare: 0.25, maximumTokens }),
          { corpus: documents, tokenizer: learned.artifact }
        )
        assert.strictEqual(artifact.value.train.tokens, maximumTokens)
        assert.strictEqual(artifact.value.train.bytes, maximumTokens)
      }
    })
  )

  it.effect("counts the bytes of unknown words of a cut split as they stand in the text", () =>
    Effect.gen(function* () {
      const known = "known \u20ac known \u20ac known"
      const texts = [known, known, `${known} ${"\u{1f600} strange ".repeat(60)}`]
      const documents = yield* corpusOf(texts)
      const learned = yield* Running.runStage(
        tokenize({ corpus, model: "word-level", vocabularySize: 5, minimumFrequency: 1 }),
        { corpus: documents }
      )
      const { artifact } = yield* Running.runStage(
        buildDataset({
          corpus,
          tokenizer,
          validationShare: 0.01,
          testShare: 0,
          maximumTokens: 40
        }),
        { corpus: documents, tokenizer: learned.artifact }
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
      const documents = yield* corpusOf(code)
      const learned = yield* Running.runStage(tokenize({ corpus, vocabularySize: 300 }), {
        corpus: documents
      })
      const build = Running.runStage(buildDataset({ corpus, tokenizer }), {
        corpus: documents,
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

  it.effect("keeps validation, and the beginning of training, what they are without a test split", () =>
    Effect.gen(function* () {
      const open = (options: Options) =>
        Effect.flatMap(made({ maximumTokens: 333, ...options }), ({ artifact }) =>
          DatasetReader.open(artifact.directory)
        )
      const without = yield* open({ testShare: 0 })
      const { test, train, validation, value } = yield* open({})
      assert.isUndefined(without.test)
      assert.isDefined(test)
      const all = ({ length, read }: DatasetReader.SplitReader) => read(0, length)
      assert.deepStrictEqual(yield* all(train), yield* all(without.train))
      assert.deepStrictEqual(yield* all(validation), yield* all(without.validation))
      // The same tokens have the same digest, which is how a model knows its training split.
      assert.strictEqual(without.value.train.digest, value.train.digest)
      assert.notStrictEqual(value.train.digest, value.validation.digest)
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
        buildDataset({ corpus, tokenizer, validationShare: 0.5 }),
        { corpus: documents, tokenizer: yield* renamed(learned.artifact) }
      )
      assert.strictEqual(artifact.value.tokenBytes, 4)
      const dataset = yield* DatasetReader.open(artifact.directory)
      assert.includeMembers([...(yield* dataset.train.read(0, dataset.train.length))], [70_000, 70_001])
    })
  )

  it.effect("says what would do where a split is impossible", () =>
    Effect.gen(function* () {
      const short = yield* Effect.flip(made({ maximumValidationTokens: 1 }))
      assert.strictEqual(short._tag, "ImpossibleSplit")
      assert.include(short.message, "The validation split has 1 tokens, and a prediction takes two.")
      assert.strictEqual((yield* made({ maximumValidationTokens: 2 })).artifact.value.validation.tokens, 2)
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
        // A path that is still possible is for the store's digests to find; a cut and a changed token are always found here.
        if (cut !== null || file.endsWith(".bin"))
          assert.strictEqual(outcome, "DamagedDataset", `${file} cut at ${cut} or changed`)
        else assert.include(["opened", "DamagedDataset"], outcome)
      }
      yield* DatasetReader.open(artifact.directory)
    })
  )
})
