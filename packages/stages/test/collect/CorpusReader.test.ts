import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem } from "effect"

import * as CorpusReader from "../../src/collect/CorpusReader.ts"
import { maximumTextBytes } from "../../src/collect/maximumTextBytes.ts"
import * as Running from "../runStage.ts"
import { folderOf } from "./folders.ts"

layer(Running.layer)("a corpus", (it) => {
  it.effect("with a text that JavaScript cannot hold says so in a sentence", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const bytes = maximumTextBytes + 1
      const document = { id: 0, path: "a.c", origin: "folder:a", licence: null, kind: "c", offset: 0, bytes }
      const root = yield* folderOf({
        "text.bin": "",
        "documents.jsonl": `${JSON.stringify({ ...document, digest: "0" })}\n`
      })
      // Without a single block on the disk.
      yield* fs.truncate(`${root}/text.bin`, bytes)
      const corpus = yield* CorpusReader.open(root)
      const error = yield* Effect.flip(corpus.text(0))
      assert.strictEqual(error._tag, "DamagedCorpus")
      assert.match(error.message, /Document 0 .* has 536,870,889 bytes, and the longest .* 536,870,888/)
    })
  )
})
