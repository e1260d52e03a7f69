/** How a split is shown: its subsets by kind of document, its first documents, and a document by its number. */
import * as View from "@trainyard/core/View"
import { Effect } from "effect"
import { bytes, count, indexOf } from "../figures.ts"
import { facts } from "./facts.ts"
import { Split, type SplitDocument } from "./Split.ts"
import * as SplitReader from "./SplitReader.ts"

/** Documents of a subset that are listed one by one. */
const listedDocuments = 20

const partOf = ({ bytes: here, part }: SplitDocument): string =>
  part === undefined ? "" : `bytes ${count(part.from)} to ${count(part.from + here)} of ${count(part.of)}`

const table = Effect.fnUntraced(function* (title: string, subset: SplitReader.SubsetReader) {
  const kinds = new Map<string, { documents: number; bytes: number }>()
  const rows: Array<ReadonlyArray<string>> = []
  for (let index = 0; index < subset.documents; index++) {
    const document = yield* subset.document(index)
    const kind = kinds.get(document.kind) ?? { documents: 0, bytes: 0 }
    kinds.set(document.kind, {
      documents: kind.documents + 1,
      bytes: kind.bytes + document.bytes
    })
    if (rows.length < listedDocuments)
      rows.push([String(document.id), document.path, bytes(document.bytes), partOf(document)])
  }
  return [
    {
      title: `${title}, by kind`,
      table: {
        columns: ["kind", "documents", "size"],
        rows: [...kinds]
          .sort(([, a], [, b]) => b.bytes - a.bytes)
          .map(([kind, each]) => [
            kind === "" ? "no ending" : `.${kind}`,
            count(each.documents),
            bytes(each.bytes)
          ])
      }
    },
    {
      title:
        subset.documents > rows.length
          ? `${title}: the first ${rows.length} of ${count(subset.documents)} documents (documents.jsonl has all)`
          : `${title}: documents`,
      table: { columns: ["number", "document", "size", "part"], rows }
    }
  ]
})

export const view: View.View = View.make(Split, {
  facts: (value) => facts(value),
  sections: Effect.fnUntraced(function* (artifact) {
    const { test, train, validation } = yield* SplitReader.open(artifact)
    return [
      ...(yield* table("Training", train)),
      ...(yield* table("Validation", validation)),
      ...(test === undefined ? [] : yield* table("Test", test))
    ]
  }),
  details: {
    document: {
      argument: "N",
      description: "a document by its number: its split, where it came from, and its text",
      show: Effect.fnUntraced(function* (artifact, argument) {
        const { all } = yield* SplitReader.open(artifact)
        const id = indexOf(argument, "document", all.documents)
        if (typeof id === "string") return yield* Effect.fail({ message: id })
        const document = yield* all.document(id)
        return [
          {
            title: `Document ${id}: ${document.path}`,
            facts: [
              { label: "split", text: document.split },
              { label: "number in the corpus", text: String(document.corpusId) },
              { label: "origin", text: document.origin },
              { label: "licence", text: document.licence ?? "none stated" },
              { label: "size", text: bytes(document.bytes) },
              ...(document.part === undefined ? [] : [{ label: "part", text: partOf(document) }])
            ],
            text: yield* all.text(id)
          }
        ]
      })
    }
  }
})
