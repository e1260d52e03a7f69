/** Makes a split artifact from texts, as the split stage would. */
import { createHash } from "node:crypto"
import type * as Artifact from "@trainyard/core/Artifact"
import { Effect, FileSystem, Path } from "effect"
import type { Split, SplitName } from "../src/split/Split.ts"

export interface Texts {
  readonly train: ReadonlyArray<string>
  readonly validation?: ReadonlyArray<string>
  readonly test?: ReadonlyArray<string>
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

export const splitOf = Effect.fnUntraced(function* ({ test, train, validation = ["int x;\n"] }: Texts) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-split-" })
  const lines: Array<string> = []
  let offset = 0
  const subset = (split: SplitName, texts: ReadonlyArray<string>) => {
    const digest = createHash("sha256")
    const from = offset
    for (const text of texts) {
      const id = lines.length
      const bytes = Buffer.byteLength(text)
      digest.update(sha256(text))
      lines.push(
        `${JSON.stringify({ id, corpusId: id, split, path: `d${id}.c`, origin: "folder:test", licence: null, kind: "c", offset, bytes, digest: sha256(text) })}\n`
      )
      offset += bytes
    }
    return { documents: texts.length, partial: 0, bytes: offset - from, digest: digest.digest("hex") }
  }
  const value = {
    seed: 1,
    train: subset("train", train),
    validation: subset("validation", validation),
    ...(test && { test: subset("test", test) }),
    leftOut: { documents: 0, bytes: 0 }
  }
  yield* fs.writeFileString(
    path.join(directory, "text.bin"),
    [...train, ...validation, ...(test ?? [])].join("")
  )
  yield* fs.writeFileString(path.join(directory, "documents.jsonl"), lines.join(""))
  const artifact: Artifact.Artifact<typeof Split> = { kind: "split", directory, cacheKey: "0", value }
  return artifact
})
