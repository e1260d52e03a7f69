/** Makes a corpus artifact from texts, as the collect stage would. */
import { createHash } from "node:crypto"
import type * as Artifact from "@trainyard/core/Artifact"
import { Effect, FileSystem, Path } from "effect"
import type { Corpus } from "../src/collect/Corpus.ts"

export const corpusOf = Effect.fnUntraced(function* (texts: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-corpus-" })
  let offset = 0
  const lines = texts.map((text, id) => {
    const bytes = Buffer.byteLength(text)
    const line = JSON.stringify({
      id,
      path: `d${id}.c`,
      origin: "folder:test",
      licence: null,
      kind: "c",
      offset,
      bytes,
      digest: createHash("sha256").update(text).digest("hex")
    })
    offset += bytes
    return `${line}\n`
  })
  yield* fs.writeFileString(path.join(directory, "text.bin"), texts.join(""))
  yield* fs.writeFileString(path.join(directory, "documents.jsonl"), lines.join(""))
  const artifact: Artifact.Artifact<typeof Corpus> = {
    kind: "corpus",
    directory,
    cacheKey: "0",
    value: {
      documents: texts.length,
      bytes: offset,
      kinds: [{ kind: "c", documents: texts.length, bytes: offset }],
      skipped: [],
      sources: ["folder:test"]
    }
  }
  return artifact
})

const words = ["int", "return", "static", "struct", "const", "char", "void", "if", "while", "size", "data"]

/** Text that looks like C, the same for the same number. */
export const someCode = (seed: number, lines = 20): string => {
  let state = seed * 2654435761 + 12345
  const next = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >>> 8) % below
  }
  return Array.from({ length: lines }, () => {
    const word = () => words[next(words.length)]!
    return `${" ".repeat(4 * next(3))}${word()} ${word()}_${next(30)} = ${next(1000)}; /* ${word()} */\n`
  }).join("")
}
