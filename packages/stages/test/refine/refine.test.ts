import { assert, layer } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import { Effect, FileSystem } from "effect"
import type { Corpus } from "../../src/collect/Corpus.ts"
import * as CorpusReader from "../../src/collect/CorpusReader.ts"
import { view } from "../../src/collect/view.ts"
import { refine } from "../../src/refine/refine.ts"
import { jaccard, shinglesOf } from "../../src/refine/shingles.ts"
import * as SplitReader from "../../src/split/SplitReader.ts"
import { splitCorpus } from "../../src/split/splitCorpus.ts"
import { corpusOf } from "../corpusOf.ts"
import * as Running from "../runStage.ts"
import { edits, original } from "./families.ts"

const corpus = {} as Stage.Node<typeof Corpus, never, never>

type Options = Omit<Parameters<typeof refine>[0], "corpus" | "name" | "after">

const made = Effect.fnUntraced(function* (texts: ReadonlyArray<string>, options: Options = {}) {
  const fs = yield* FileSystem.FileSystem
  const ran = yield* Running.runStage(refine({ corpus, ...options }), { corpus: yield* corpusOf(texts) })
  const lines = Effect.fnUntraced(function* (name: string) {
    const text = yield* fs.readFileString(`${ran.artifact.directory}/${name}`)
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line): Record<string, unknown> => JSON.parse(line))
  })
  return { ...ran, lines, reader: yield* CorpusReader.open(ran.artifact.directory) }
})

const families = 60
const kinds = ["original", ...Object.keys(edits)]
/** Document `kinds.length * family + kind`. */
const texts = Array.from({ length: families }, (_, family) => [
  original(family),
  ...Object.values(edits).map((edit) => edit(family))
]).flat()

layer(Running.layer)("near-duplicates", (it) => {
  it.effect("are the pairs that an exact comparison of all finds, with known families as expected", () =>
    Effect.gen(function* () {
      const { artifact, lines } = yield* made(texts, { nearDuplicates: "mark" })
      const clusters = yield* lines("clusters.jsonl")
      const found = new Map<number, number>()
      for (const { cluster, documents } of clusters as unknown as ReadonlyArray<{
        cluster: number
        documents: ReadonlyArray<{ document: number }>
      }>)
        for (const { document } of documents) found.set(document, cluster)
      const shingles = texts.map((text) => shinglesOf(text, 5))
      let [pairs, recalled, reported, right] = [0, 0, 0, 0]
      for (let one = 0; one < texts.length; one++) {
        for (let other = one + 1; other < texts.length; other++) {
          const alike = jaccard(shingles[one]!, shingles[other]!) >= 0.7
          const together = found.has(one) && found.get(one) === found.get(other)
          if (alike) pairs++
          if (alike && together) recalled++
          if (together) reported++
          if (together && alike) right++
        }
      }
      assert.isAtLeast(pairs, families * 5)
      assert.isAtLeast(recalled / pairs, 0.99)
      assert.isAtLeast(right / reported, 0.95)
      const recallOf = (kind: string) => {
        const at = kinds.indexOf(kind)
        let together = 0
        for (let first = 0; first < texts.length; first += kinds.length)
          if (found.has(first + at) && found.get(first) === found.get(first + at)) together++
        return together / families
      }
      // No shingle survives where every name is another, and half of two documents is a third of their union.
      assert.deepStrictEqual(Object.fromEntries(Object.keys(edits).map((kind) => [kind, recallOf(kind)])), {
        whitespace: 1,
        header: 1,
        "one name": 1,
        "all names": 0,
        "half copied": 0
      })
      assert.strictEqual(artifact.value.documents, texts.length)
    })
  )

  it.effect("keeps the longest of each cluster, lists the others, and does the same again", () =>
    Effect.gen(function* () {
      const some = texts.slice(0, 5 * kinds.length)
      const { artifact, lines, reader } = yield* made(some)
      const dropped = yield* lines("skipped.jsonl")
      assert.lengthOf(dropped, 5 * 3)
      assert.strictEqual(artifact.value.documents, some.length - 15)
      for (const { bytes, detail, document, path, reason } of dropped) {
        assert.strictEqual(reason, "near-duplicate")
        assert.strictEqual(path, `d${document}.c`)
        assert.strictEqual(bytes, Buffer.byteLength(some[Number(document)]!))
        assert.match(String(detail), /^\d+ % like document \d+, d\d+\.c$/)
      }
      const clusters = (yield* lines("clusters.jsonl")) as unknown as ReadonlyArray<{
        representative: number
        documents: ReadonlyArray<{ document: number; kept: boolean }>
      }>
      for (const { documents, representative } of clusters) {
        assert.deepStrictEqual(
          documents.filter(({ kept }) => kept).map(({ document }) => document),
          [representative]
        )
        const longest = Math.max(...documents.map(({ document }) => some[document]!.length))
        assert.strictEqual(some[representative]!.length, longest)
      }
      for (let id = 0; id < reader.documents; id++) {
        const { path } = yield* reader.document(id)
        assert.strictEqual(yield* reader.text(id), some[Number(path.slice(1, -2))])
      }
      const again = yield* made(some)
      for (const file of ["documents.jsonl", "skipped.jsonl", "clusters.jsonl", "changed.jsonl"])
        assert.deepStrictEqual(yield* lines(file), yield* again.lines(file))
      assert.deepStrictEqual(artifact.value.refinement?.clusters, { clusters: 5, documents: 20, kept: 5 })
      const sections = yield* view.sections!(artifact)
      const rows = (title: string) => sections.find((each) => each.title.startsWith(title))?.table?.rows
      assert.deepStrictEqual(rows("Dropped by refining")?.[0]?.slice(0, 2), ["near-duplicate", "15"])
      assert.lengthOf(rows("Near-duplicates: clusters") ?? [], 5)
      assert.isUndefined(rows("Changed by refining"))
    })
  )

  it.effect("are found by other settings only, and not at all where that is asked for", () =>
    Effect.gen(function* () {
      const some = texts.slice(0, 3 * kinds.length)
      const kept = (options: Options) =>
        Effect.map(made(some, options), ({ artifact }) => artifact.value.documents)
      assert.strictEqual(yield* kept({ nearDuplicates: "ignore" }), some.length)
      assert.strictEqual(yield* kept({ similarity: 1 }), some.length - 3)
      assert.isBelow(yield* kept({ similarity: 0.25 }), some.length - 9)
      assert.strictEqual(yield* kept({ permutations: 64 }), some.length - 9)
      assert.isBelow(yield* kept({ shingleTokens: 1, similarity: 0.25 }), some.length - 9)
    })
  )

  it.effect("are not files that only have a licence in common, and are such that differ in it alone", () =>
    Effect.gen(function* () {
      const licence = (name: string) =>
        `/*\n${` * ${name} permits copies that keep this notice.\n`.repeat(20)} */\n`
      const one = "int add(int a, int b) {\n  return a + b;\n}\nint nine(void) { return 9; }\n"
      const other = "#define PORT 80\nvoid listen_on(short port);\nvoid stop(void);\n"
      const both = yield* made([licence("First") + one, licence("First") + other])
      assert.strictEqual(both.artifact.value.documents, 2)
      const same = yield* made([licence("First") + one, licence("Second") + one, licence("First")])
      assert.strictEqual(same.artifact.value.documents, 2)
    })
  )

  it.effect("stay on one side of a split, unless that is not asked for", () =>
    Effect.gen(function* () {
      const { artifact } = yield* made(texts, { nearDuplicates: "mark" })
      const straddling = Effect.fnUntraced(function* (keepTogether: "clusters" | "nothing") {
        const ran = yield* Running.runStage(
          splitCorpus({ corpus, validationShare: 0.2, testShare: 0.2, keepTogether }),
          { corpus: artifact }
        )
        const { all } = yield* SplitReader.open(ran.artifact)
        assert.strictEqual(all.documents, texts.length)
        const sides = new Map<number, Set<string>>()
        for (let id = 0; id < all.documents; id++) {
          const { cluster, split } = yield* all.document(id)
          if (cluster !== undefined) sides.set(cluster, (sides.get(cluster) ?? new Set()).add(split))
        }
        assert.strictEqual(sides.size, families)
        return [...sides.values()].filter(({ size }) => size > 1).length
      })
      assert.strictEqual(yield* straddling("clusters"), 0)
      assert.isAbove(yield* straddling("nothing"), families / 4)
    })
  )

  it.effect("that are a whole corpus cannot be split, and the message says what to do", () =>
    Effect.gen(function* () {
      const { artifact } = yield* made(texts.slice(0, 3), { nearDuplicates: "mark" })
      const error = yield* Effect.flip(Running.runStage(splitCorpus({ corpus }), { corpus: artifact }))
      assert.include(String(error), 'set keepTogether to "nothing"')
    })
  )
})

layer(Running.layer)("repeated headers", (it) => {
  it.effect("are kept once where that is asked for, and the places are listed", () =>
    Effect.gen(function* () {
      const header = (year: number) =>
        `/* Copyright ${year}.\n${" * Permission is granted to all.\n".repeat(9)} */\n`
      const some = [
        `${header(2001)}int a;\n`,
        `${header(2002)}int b = 3;\nint c;\n`,
        "// short\nint d;\n",
        `#include <x.h>\n${"#define X 1\n".repeat(40)}`
      ]
      const kept = yield* made(some)
      assert.deepStrictEqual(yield* kept.lines("changed.jsonl"), [])
      const { artifact, lines, reader } = yield* made(some, {
        repeatedHeaders: "once",
        nearDuplicates: "ignore"
      })
      const read = yield* Effect.forEach([0, 1, 2, 3], reader.text)
      assert.deepStrictEqual(read, [some[0], "int b = 3;\nint c;\n", some[2], some[3]])
      const [change, ...more] = yield* lines("changed.jsonl")
      assert.lengthOf(more, 0)
      assert.deepStrictEqual(change?.changes, [{ change: "repeated header removed", line: 1 }])
      assert.deepStrictEqual(artifact.value.refinement?.changed, [
        { change: "repeated header removed", documents: 1, places: 1 }
      ])
      assert.notStrictEqual((yield* reader.document(1)).digest, (yield* kept.reader.document(1)).digest)
    })
  )
})
