/** How a corpus is shown: by kind and by licence, what was left out and why, and a document by its number. */
import * as View from "@trainyard/core/View"
import { Effect, Schema, Stream } from "effect"
import { bytes, count, indexOf } from "../figures.ts"
import { Corpus, Document } from "./Corpus.ts"
import * as CorpusReader from "./CorpusReader.ts"
import { facts } from "./facts.ts"
import { parse } from "./licenceExpression.ts"
import { linesOf } from "./linesOf.ts"
import { refinementSections } from "./refinementSections.ts"

const Skipped = Schema.Struct({
  path: Schema.String,
  origin: Schema.String,
  reason: Schema.String,
  bytes: Schema.Finite,
  detail: Schema.optionalKey(Schema.String)
})

/** Left-out files that are listed one by one. */
const listedFiles = 20

interface Tally {
  documents: number
  bytes: number
}

/** An SPDX expression as it is; what is none is unknown. */
const shownLicence = (licence: string | null): string =>
  licence !== null && parse(licence) !== undefined
    ? licence
    : licence === null
      ? "unknown: none stated"
      : `unknown: ${licence}`

const byLicence = (directory: string) =>
  Stream.runFold(
    linesOf(directory, "documents.jsonl", Document),
    () => new Map<string, Tally>(),
    (tallies, document) => {
      const licence = shownLicence(document.licence)
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
      ...(value.refinement === undefined ? [] : yield* refinementSections(directory, value.refinement)),
      { title: "Sources", lines: value.sources.map((text) => ({ text })) },
      ...(leftOut === 0
        ? []
        : [
            // What refining dropped is in a table of its own.
            ...(value.refinement === undefined
              ? [
                  {
                    title: "Left out",
                    table: {
                      columns: ["reason", "files"],
                      rows: value.skipped.map((row) => [row.reason, count(row.files)])
                    }
                  }
                ]
              : []),
            {
              title:
                leftOut > files.length
                  ? `The first ${files.length} of ${count(leftOut)} files left out (skipped.jsonl has all)`
                  : "Files left out",
              table: {
                columns: ["file", "reason", "size", "detail"],
                rows: files.map((file) => [file.path, file.reason, bytes(file.bytes), file.detail ?? ""])
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
              { label: "licence", text: shownLicence(document.licence) },
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
