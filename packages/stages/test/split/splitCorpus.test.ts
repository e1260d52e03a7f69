import { assert, layer } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import { Effect, FileSystem } from "effect"
import type { Corpus } from "../../src/collect/Corpus.ts"
import { assign } from "../../src/split/assign.ts"
import { facts } from "../../src/split/facts.ts"
import * as SplitReader from "../../src/split/SplitReader.ts"
import { splitCorpus } from "../../src/split/splitCorpus.ts"
import { corpusOf, someCode } from "../corpusOf.ts"
import * as Running from "../runStage.ts"

const corpus = {} as Stage.Node<typeof Corpus, never, never>
const code = Array.from({ length: 30 }, (_, seed) => someCode(seed, 5 + 4 * (seed % 7)))

type Options = Omit<Parameters<typeof splitCorpus>[0], "corpus" | "name" | "after">

const made = Effect.fnUntraced(function* (options: Options = {}, texts: ReadonlyArray<string> = code) {
  const ran = yield* Running.runStage(splitCorpus({ corpus, validationShare: 0.2, ...options }), {
    corpus: yield* corpusOf(texts)
  })
  return { ...ran, reader: yield* SplitReader.open(ran.artifact) }
})

const documentsOf = Effect.fnUntraced(function* (subset: SplitReader.SubsetReader | undefined) {
  const documents = []
  for (let index = 0; index < (subset?.documents ?? 0); index++)
    documents.push({ ...(yield* subset!.document(index)), text: yield* subset!.text(index) })
  return documents
})

const idsOf = (subset: SplitReader.SubsetReader | undefined) =>
  Effect.map(documentsOf(subset), (documents) => documents.map(({ corpusId }) => corpusId))

layer(Running.layer)("splitting a corpus", (it) => {
  it.effect("has every document once, with its text, in the subsets that assign draws", () =>
    Effect.gen(function* () {
      const { artifact, reader } = yield* made({ seed: 3, validationDocumentBytes: null })
      const sizes = Float64Array.from(code, (text) => Buffer.byteLength(text))
      const drawn = assign(sizes, { validation: 0.2, test: 0.1 }, 3)
      for (const name of ["train", "validation", "test"] as const) {
        const documents = yield* documentsOf(reader[name])
        assert.deepStrictEqual(
          documents.map(({ corpusId }) => corpusId),
          [...drawn[name]]
        )
        for (const { bytes, corpusId, part, split, text } of documents) {
          assert.strictEqual(text, code[corpusId])
          assert.strictEqual(bytes, sizes[corpusId])
          assert.strictEqual(split, name)
          assert.isUndefined(part)
        }
        const { documents: count, partial } = artifact.value[name]!
        assert.deepStrictEqual([count, partial], [documents.length, 0])
      }
      assert.deepStrictEqual(artifact.value.leftOut, { documents: 0, bytes: 0 })
    })
  )

  it.effect("keeps a repository or a folder on one side, with the near-duplicates of its documents", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const artifact = yield* corpusOf(code)
      const list = `${artifact.directory}/documents.jsonl`
      const lines = (yield* fs.readFileString(list)).trimEnd().split("\n")
      const places = lines.map((line, id) => ({
        ...JSON.parse(line),
        origin: `git:r${id % 10}`,
        path: `${id % 20 < 10 ? "a" : "b"}/${id}.c`,
        // Documents of repositories 0 and 1.
        ...(id === 10 || id === 21 ? { cluster: 3 } : {})
      }))
      yield* fs.writeFileString(list, places.map((place) => `${JSON.stringify(place)}\n`).join(""))
      const sidesOf = Effect.fnUntraced(function* (
        keepTogether: "folders" | "origins" | "clusters",
        key: (document: { readonly origin: string; readonly path: string }) => string
      ) {
        const config = { corpus, validationShare: 0.2, testShare: 0.2, keepTogether }
        const ran = yield* Running.runStage(splitCorpus(config), { corpus: artifact })
        const { all } = yield* SplitReader.open(ran.artifact)
        const sides = new Map<string, Set<string>>()
        for (let id = 0; id < all.documents; id++) {
          const document = yield* all.document(id)
          sides.set(key(document), (sides.get(key(document)) ?? new Set()).add(document.split))
        }
        assert.isDefined(ran.artifact.value.test)
        return sides
      })
      const most = (sides: ReadonlyMap<string, ReadonlySet<string>>) =>
        Math.max(...[...sides.values()].map((each) => each.size))
      const origins = yield* sidesOf("origins", ({ origin }) => origin)
      assert.strictEqual(most(origins), 1)
      assert.deepStrictEqual(origins.get("git:r0"), origins.get("git:r1"))
      const folder = ({ origin, path }: { readonly origin: string; readonly path: string }) =>
        `${origin}/${path.split("/")[0]}`
      assert.strictEqual(most(yield* sidesOf("folders", folder)), 1)
      assert.isAbove(most(yield* sidesOf("clusters", ({ origin }) => origin)), 1)
      const one = yield* Effect.flip(made({ keepTogether: "origins" }))
      assert.include(one.message, 'belong together by keepTogether "origins"')
    })
  )

  it.effect("draws the documents that datasets had before there were splits", () =>
    Effect.gen(function* () {
      const { reader } = yield* made({ seed: 1, validationShare: 0.1, testShare: 0.5 })
      assert.deepStrictEqual(yield* idsOf(reader.validation), [19, 21, 4])
      assert.deepStrictEqual(yield* idsOf(reader.test), [13, 12, 9, 27, 11, 6, 1, 8, 18, 5, 2, 25])
      assert.deepStrictEqual(
        yield* idsOf(reader.train),
        [7, 28, 10, 16, 14, 20, 17, 26, 24, 15, 22, 0, 3, 23, 29]
      )
    })
  )

  it.effect("limits each subset to whole documents, and moves none by that", () =>
    Effect.gen(function* () {
      const { reader: whole } = yield* made()
      const all = yield* documentsOf(whole.train)
      const limit = all.slice(0, 5).reduce((sum, { bytes }) => sum + bytes, 0)
      for (const [maximumTrainingBytes, kept] of [
        [limit, 5],
        [limit - 1, 4],
        [limit + 1, 5],
        [1, 1]
      ] as const) {
        const { artifact, reader } = yield* made({ maximumTrainingBytes })
        assert.deepStrictEqual(yield* documentsOf(reader.train), all.slice(0, kept))
        assert.deepStrictEqual(yield* idsOf(reader.test), yield* idsOf(whole.test))
        assert.strictEqual(artifact.value.leftOut.documents, all.length - kept)
        assert.strictEqual(
          artifact.value.leftOut.bytes,
          all.slice(kept).reduce((sum, { bytes }) => sum + bytes, 0)
        )
      }
      const { artifact } = yield* made({ maximumValidationBytes: 1, maximumTestBytes: 1 })
      assert.strictEqual(artifact.value.validation.documents, 1)
      assert.strictEqual(artifact.value.test?.documents, 1)
    })
  )

  it.effect("has the same digest for the same text, and another for another", () =>
    Effect.gen(function* () {
      const { artifact: one } = yield* made({ maximumTrainingBytes: 2000 })
      const { artifact: same } = yield* made({ maximumTrainingBytes: 2000, maximumTestBytes: 500 })
      assert.strictEqual(one.value.train.digest, same.value.train.digest)
      assert.notStrictEqual(one.value.test?.digest, same.value.test?.digest)
    })
  )

  it.effect("has a part of each long validation document, and says so", () =>
    Effect.gen(function* () {
      const { artifact, reader } = yield* made({ validationDocumentBytes: 400 })
      const { reader: whole } = yield* made({ validationDocumentBytes: null })
      assert.deepStrictEqual(yield* idsOf(reader.validation), yield* idsOf(whole.validation))
      assert.deepStrictEqual(yield* documentsOf(reader.train), yield* documentsOf(whole.train))
      const parts = yield* documentsOf(reader.validation)
      const originals = yield* documentsOf(whole.validation)
      for (const [index, document] of parts.entries()) {
        const original = originals[index]!
        if (original.bytes <= 400) assert.isUndefined(document.part)
        else {
          const { from, ...rest } = document.part!
          assert.deepStrictEqual(rest, { of: original.bytes, digest: original.digest })
          assert.strictEqual(document.text, original.text.slice(from, from + document.bytes))
          assert.isAtMost(document.bytes, 400)
          assert.isAbove(document.bytes, 300)
          assert.notStrictEqual(document.digest, original.digest)
        }
      }
      const { partial } = artifact.value.validation
      assert.strictEqual(partial, originals.filter(({ bytes }) => bytes > 400).length)
      assert.isAbove(partial, 0)
      assert.include(
        facts(artifact.value).find(({ label }) => label === "validation")?.text,
        `${parts.length} documents (${partial} of them in part)`
      )
    })
  )

  it.effect("warns where the corpus is too small for a test split, unless none was asked for", () =>
    Effect.gen(function* () {
      const notes = Effect.fnUntraced(function* (options: Options) {
        const { artifact, events, reader } = yield* made(options, [someCode(1, 40), someCode(2, 40)])
        assert.isUndefined(artifact.value.test)
        assert.isUndefined(reader.test)
        return events.flatMap((event) => (event.type === "Note" ? event.message : []))
      })
      const [warning, ...more] = yield* notes({})
      assert.lengthOf(more, 0)
      assert.include(warning, "The corpus of 2 documents is too small for a test split")
      assert.include(warning, "evaluated on the validation split")
      assert.lengthOf(yield* notes({ testShare: 0 }), 0)
    })
  )

  it.effect("refuses a corpus of one document, shares that leave nothing, and damaged files", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const alone = yield* Effect.flip(made({}, [someCode(1, 100)]))
      assert.include(alone.message, "The corpus has one document")
      const shares = yield* Effect.flip(made({ validationShare: 0.5, testShare: 0.6 }))
      assert.include(String(shares), "together they may be 0.95")
      const damaged = yield* corpusOf(code)
      yield* fs.truncate(`${damaged.directory}/text.bin`, 1000)
      const error = yield* Effect.flip(Running.runStage(splitCorpus({ corpus }), { corpus: damaged }))
      assert.strictEqual(error._tag, "DamagedCorpus")
      assert.include(error.message, "text.bin is damaged (1000 bytes where")

      const { artifact } = yield* made()
      const list = `${artifact.directory}/documents.jsonl`
      const lines = (yield* fs.readFileString(list)).split("\n")
      yield* fs.writeFileString(list, `${lines.slice(0, -2).join("\n")}\n`)
      const cut = yield* Effect.flip(SplitReader.open(artifact))
      assert.strictEqual(cut._tag, "DamagedCorpus")
      assert.include(cut.message, "Run the split stage again")
    })
  )
})
