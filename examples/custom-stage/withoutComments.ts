/**
 * A stage of one's own: a corpus without its C comments. It is as good a stage as the built-in ones: its artifact is reused until its
 * config, its input or this file changes; a wrong artifact or a misspelt key is a compile error where it is called.
 */
import { createHash } from "node:crypto"
import { Effect, FileSystem, Path, Schema } from "effect"
import { Corpus, CorpusReader, Journal, Stage } from "trainyard"

// A string or a character that looks like a comment is kept, so both are matched first.
const comment = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g

const stripped = (text: string): string =>
  text.replace(comment, (_, literal: string | undefined) => literal ?? "").replace(/\n(?:[ \t]*\n)+/g, "\n\n")

export const withoutComments = Stage.make({
  name: "without-comments",
  version: 1,
  source: import.meta.url,
  inputs: { corpus: Corpus },
  config: {
    /** Kinds of documents that have C comments; the others stay as they are. */
    kinds: Schema.Array(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed(["c", "h"])))
  },
  output: Corpus,
  run: Effect.fn("withoutComments")(function* ({ config, inputs: { corpus }, output }) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const journal = yield* Journal
    const reader = yield* CorpusReader.open(corpus.directory)
    const texts: Array<Uint8Array> = []
    const lines: Array<string> = []
    const kinds = new Map<string, { documents: number; bytes: number }>()
    let offset = 0
    for (let id = 0; id < reader.documents; id++) {
      const document = yield* reader.document(id)
      const text = yield* reader.text(id)
      const bytes = new TextEncoder().encode(config.kinds.includes(document.kind) ? stripped(text) : text)
      const digest = createHash("sha256").update(bytes).digest("hex")
      texts.push(bytes)
      lines.push(`${JSON.stringify({ ...document, offset, bytes: bytes.length, digest })}\n`)
      const kind = kinds.get(document.kind) ?? { documents: 0, bytes: 0 }
      kinds.set(document.kind, { documents: kind.documents + 1, bytes: kind.bytes + bytes.length })
      offset += bytes.length
    }
    yield* fs.writeFile(path.join(output, "text.bin"), Buffer.concat(texts))
    yield* fs.writeFileString(path.join(output, "documents.jsonl"), lines.join(""))
    yield* fs.copyFile(path.join(corpus.directory, "skipped.jsonl"), path.join(output, "skipped.jsonl"))
    yield* journal.publish({
      type: "Facts",
      facts: [{ label: "Left after comments", text: `${offset} of ${corpus.value.bytes} bytes` }]
    })
    return {
      ...corpus.value,
      bytes: offset,
      kinds: [...kinds]
        .map(([kind, counts]) => ({ kind, ...counts }))
        .sort((a, b) => b.documents - a.documents)
    }
  })
})
