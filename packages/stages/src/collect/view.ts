/** How a corpus is shown: by kind and by licence, what was left out and why, and a document by its number. */
import * as View from "@trainyard/core/View"
import { Effect, FileSystem, Path, Schema, Stream } from "effect"
import { bytes, count, indexOf } from "../figures.ts"
import { DamagedCorpus } from "./CollectError.ts"
import { Corpus, Document } from "./Corpus.ts"
import * as CorpusReader from "./CorpusReader.ts"
import { facts } from "./facts.ts"

const Skipped = Schema.Struct({
  path: Schema.String,
  origin: Schema.String,
  reason: Schema.String,
  bytes: Schema.Finite
})

/** Left-out files that are listed one by one. */
const listedFiles = 20

/** The lines of a file of the corpus, decoded. */
const linesOf = <A>(directory: string, name: string, schema: Schema.Codec<A, unknown>) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const file = path.join(directory, name)
      const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
      const damaged = (error: { readonly message: string }) =>
        new DamagedCorpus({ file, message: `${file} cannot be read: ${error.message}` })
      return fs.stream(file, { chunkSize: 1 << 18 }).pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.filter((line) => line !== ""),
        Stream.mapEffect((line) => decode(line)),
        Stream.mapError(damaged)
      )
    })
  )

interface Tally {
  documents: number
  bytes: number
}

const byLicence = (directory: string) =>
  Stream.runFold(
    linesOf(directory, "documents.jsonl", Document),
    () => new Map<string, Tally>(),
    (tallies, document) => {
      const licence = document.licence ?? "none stated"
      const tally = tallies.get(licence) ?? { documents: 0, bytes: 0 }
      tally.documents++
      tally.bytes += document.bytes
      return tallies.set(licence, tally)
    }
  ).pipe(
    Effect.map((tallies) =>
      [...tallies]
        .sort(([, a], [, b]) => b.bytes - a.bytes)
        .map(([licence, tally]) => [licence, count(tally.documents), bytes(tally.bytes)])
    )
  )

export const view: View.View = View.make(Corpus, {
  facts: (value) => facts(value),
  sections: Effect.fnUntraced(function* ({ directory, value }) {
    const licences = yield* byLicence(directory)
    const files = yield* Stream.runCollect(
      Stream.take(linesOf(directory, "skipped.jsonl", Skipped), listedFiles)
    )
    const leftOut = value.skipped.reduce((sum, row) => sum + row.files, 0)
    return [
      {
        title: "By kind",
        table: {
          columns: ["kind", "documents", "size"],
          rows: value.kinds.map((row) => [
            row.kind === "" ? "no ending" : `.${row.kind}`,
            count(row.documents),
            bytes(row.bytes)
          ])
        }
      },
      { title: "By licence", table: { columns: ["licence", "documents", "size"], rows: licences } },
      { title: "Sources", lines: value.sources.map((text) => ({ text })) },
      ...(leftOut === 0
        ? []
        : [
            {
              title: "Left out",
              table: {
                columns: ["reason", "files"],
                rows: value.skipped.map((row) => [row.reason, count(row.files)])
              }
            },
            {
              title:
                leftOut > files.length
                  ? `The first ${files.length} of ${count(leftOut)} files left out (skipped.jsonl has all)`
                  : "Files left out",
              table: {
                columns: ["file", "reason", "size"],
                rows: files.map((file) => [file.path, file.reason, bytes(file.bytes)])
              }
            }
          ])
    ]
  }),
  details: {
    document: {
      argument: "N",
      description: "a document by its number: where it came from, and its text",
      show: Effect.fnUntraced(function* ({ directory }, argument) {
        const reader = yield* CorpusReader.open(directory)
        const id = indexOf(argument, "document", reader.documents)
        if (typeof id === "string") return yield* Effect.fail({ message: id })
        const document = yield* reader.document(id)
        return [
          {
            title: `Document ${id}: ${document.path}`,
            facts: [
              { label: "origin", text: document.origin },
              { label: "licence", text: document.licence ?? "none stated" },
              { label: "size", text: bytes(document.bytes) },
              ...(document.encoding === undefined ? [] : [{ label: "decoded from", text: document.encoding }])
            ],
            text: yield* reader.text(id)
          }
        ]
      })
    }
  }
})
