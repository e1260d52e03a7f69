import { assert, layer } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import { Effect, FileSystem } from "effect"
import type { Corpus } from "../../src/collect/Corpus.ts"
import { buildDataset } from "../../src/dataset/buildDataset.ts"
import { refine } from "../../src/refine/refine.ts"
import type { Split } from "../../src/split/Split.ts"
import { splitCorpus } from "../../src/split/splitCorpus.ts"
import { make, Threads } from "../../src/threads/Pool.ts"
import { open } from "../../src/tokenize/countBatch.ts"
import type { TokenizerArtifact } from "../../src/tokenize/TokenizerArtifact.ts"
import { tokenize } from "../../src/tokenize/tokenize.ts"
import { corpusOf, someCode } from "../corpusOf.ts"
import { original } from "../refine/families.ts"
import * as Running from "../runStage.ts"

const given = <K extends typeof Corpus | typeof Split | typeof TokenizerArtifact>() =>
  ({}) as Stage.Node<K, never, never>

const email = `/* by somebody@their-company.com, who wrote it */\n`
const texts = Array.from({ length: 120 }, (_, id) =>
  id % 5 === 0 ? `${original(id % 20)}\n/* ${id} */\n` : `${id % 7 === 0 ? email : ""}${someCode(id, 30)}`
)

/** The files of all stages, by name. */
const made = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const corpus = yield* corpusOf(texts)
  const refined = (yield* Running.runStage(refine({ corpus: given<typeof Corpus>() }), { corpus })).artifact
  const split = (yield* Running.runStage(splitCorpus({ corpus: given<typeof Corpus>() }), {
    corpus: refined
  })).artifact
  const tokenizer = (yield* Running.runStage(
    tokenize({ split: given<typeof Split>(), minimumDocuments: 2 }),
    {
      split
    }
  )).artifact
  const dataset = (yield* Running.runStage(
    buildDataset({ split: given<typeof Split>(), tokenizer: given<typeof TokenizerArtifact>() }),
    { split, tokenizer }
  )).artifact
  const files = yield* Effect.forEach(
    [
      ...["text.bin", "documents.jsonl", "skipped.jsonl", "changed.jsonl", "clusters.jsonl"].map(
        (name) => `${refined.directory}/${name}`
      ),
      `${tokenizer.directory}/tokenizer.json`,
      `${dataset.directory}/train.bin`,
      `${dataset.directory}/documents.jsonl`
    ],
    (file) => fs.readFileString(file)
  )
  return { files, refinement: refined.value.refinement, values: [tokenizer.value, dataset.value] }
})

layer(Running.layer)("threads", (it) => {
  it.effect("make of texts what one thread makes", () =>
    Effect.gen(function* () {
      const one = yield* made.pipe(Effect.provideService(Threads, { threads: 1, fromBytes: 0 }))
      const two = yield* made.pipe(Effect.provideService(Threads, { threads: 2, fromBytes: 0 }))
      assert.deepStrictEqual(two, one)
      assert.isAbove(one.refinement?.clusters.clusters ?? 0, 0)
    })
  )

  it.effect("that cannot go on end the stage with a sentence", () =>
    Effect.gen(function* () {
      const pool = yield* make({
        name: "Counting the words",
        worker: new URL("../../src/tokenize/countWorker.ts", import.meta.url),
        open,
        setup: { file: "/nowhere/text.bin", words: /\w+/g, documents: false, origins: false },
        bytes: 1
      })
      const error = yield* Effect.flip(pool.run({ offset: 0, lengths: [1], origins: [] }))
      assert.strictEqual(error._tag, "ThreadFailed")
      assert.match(error.message, /^Counting the words stopped: ENOENT.*nowhere/)
    }).pipe(Effect.scoped, Effect.provideService(Threads, { threads: 2, fromBytes: 0 }))
  )
})
