/** Compares a corpus with what git says it should hold: each file once, as a document with its bytes or left out for a reason that is true. */
import { createHash } from "node:crypto"
import { closeSync, openSync, readFileSync, readSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import type { Expected } from "./git.ts"

const Document = Schema.Struct({
  path: Schema.String,
  offset: Schema.Int,
  bytes: Schema.Int,
  digest: Schema.String
})
const Skipped = Schema.Struct({ path: Schema.String, reason: Schema.String })

/** What came of a comparison. */
export interface Comparison {
  readonly files: number
  readonly documents: number
  readonly bytes: number
  /** Files left out, by reason. */
  readonly skipped: Readonly<Record<string, number>>
  /** What does not fit, a sentence each. */
  readonly faults: ReadonlyArray<string>
}

const lines = <A>(file: string, schema: Schema.Codec<A>): ReadonlyArray<A> =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => Schema.decodeUnknownSync(schema)(JSON.parse(line)))

const withoutMark = (bytes: Buffer): Buffer =>
  bytes.subarray(0, 3).toString("hex") === "efbbbf" ? bytes.subarray(3) : bytes

const digestOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex")

const isUtf8 = (bytes: Buffer): boolean => Buffer.from(bytes.toString("utf8")).equals(bytes)

/** The stage's own defaults. */
const maximumFileBytes = 2 ** 20
const maximumLineBytes = 10_000

const ofContent = (test: (bytes: Buffer) => boolean) => (file: Expected) =>
  file.bytes !== undefined && test(file.bytes)

/** For each reason to leave a file out, whether it is true of the file. Duplicates are looked for among the documents. */
const holds: Readonly<Record<string, (file: Expected, digests: ReadonlySet<string>) => boolean>> = {
  link: ({ mode }) => mode === "120000",
  submodule: ({ mode }) => mode === "160000",
  "empty submodule": ({ mode }) => mode === "160000",
  "odd name": ({ path }) => path.includes("\\"),
  "not in the work tree": ({ bytes, mode }) => mode === "100644" && bytes === undefined,
  "too large": ofContent((bytes) => bytes.length > maximumFileBytes),
  empty: ofContent((bytes) => !withoutMark(bytes).some((byte) => byte > 0x20)),
  binary: ofContent((bytes) => bytes.includes(0)),
  "not UTF-8": ofContent((bytes) => !isUtf8(bytes)),
  "over-long line": ofContent((bytes) =>
    bytes
      .toString("latin1")
      .split(/[\r\n]/)
      .some((line) => line.length > maximumLineBytes)
  ),
  "Git LFS pointer": ofContent((bytes) => bytes.toString("latin1").startsWith("version https://git-lfs")),
  duplicate: (file, digests) => file.bytes !== undefined && digests.has(digestOf(withoutMark(file.bytes)))
}

/** Compares the corpus in a folder with the files that git has. Files that git ignores may be told of besides. */
export const compare = (corpus: string, expected: Iterable<Expected>): Comparison => {
  const faults: Array<string> = []
  const documents = new Map<string, typeof Document.Type>()
  const skipped = new Map<string, string>()
  const counts: Record<string, number> = {}
  for (const document of lines(join(corpus, "documents.jsonl"), Document)) {
    if (documents.has(document.path)) faults.push(`${document.path} is in documents.jsonl twice`)
    documents.set(document.path, document)
  }
  for (const { path, reason } of lines(join(corpus, "skipped.jsonl"), Skipped)) {
    if (reason === "ignored") continue
    // A folder that is left out as a whole, such as a submodule, ends with a slash.
    const name = path.endsWith("/") ? path.slice(0, -1) : path
    if (skipped.has(name)) faults.push(`${path} is in skipped.jsonl twice`)
    if (documents.has(name)) faults.push(`${path} is a document and skipped`)
    skipped.set(name, reason)
    counts[reason] = (counts[reason] ?? 0) + 1
  }
  const digests = new Set([...documents.values()].map(({ digest }) => digest))
  const text = openSync(join(corpus, "text.bin"), "r")
  let files = 0
  let bytes = 0
  for (const file of expected) {
    files++
    const document = documents.get(file.path)
    const reason = skipped.get(file.path)
    documents.delete(file.path)
    skipped.delete(file.path)
    if (document !== undefined) {
      const read = Buffer.alloc(document.bytes)
      readSync(text, read, 0, read.length, document.offset)
      bytes += read.length
      if (file.bytes === undefined) faults.push(`${file.path} is a document, and git has no bytes for it`)
      else if (!read.equals(withoutMark(file.bytes))) faults.push(`${file.path} has other bytes than in git`)
      else if (digestOf(read) !== document.digest) faults.push(`${file.path} has another digest`)
    } else if (reason === undefined) faults.push(`${file.path} is neither a document nor skipped`)
    else if (holds[reason]?.(file, digests) !== true)
      faults.push(`${file.path} is skipped as "${reason}", which it is not`)
  }
  closeSync(text)
  for (const path of [...documents.keys(), ...skipped.keys()])
    faults.push(`${path} is collected, and git has no such file`)
  const kept = digests.size
  return { files, documents: kept, bytes, skipped: counts, faults }
}
