/** What collecting found, in a few lines for the run's summary. */

import type * as Artifact from "@trainyard/core/Artifact"
import { ByteSize } from "effect"
import type { Corpus, Refinement } from "./Corpus.ts"

const size = (bytes: number): string =>
  ByteSize.format(ByteSize.bytes(bytes), { system: "decimal", precision: 1 })

const plural = (many: number, word: string): string =>
  `${many.toLocaleString("en")} ${word}${many === 1 ? "" : "s"}`

const kindName = (kind: string): string => (kind === "" ? "no ending" : `.${kind}`)

const refined = ({ bytes, changed, clusters, documents }: Refinement) => [
  { label: "refined from", text: `${plural(documents, "document")}, ${size(bytes)}` },
  {
    label: "near-duplicates",
    text:
      clusters.clusters === 0
        ? "no clusters"
        : `${plural(clusters.clusters, "cluster")} with ${plural(clusters.documents, "document")}, ${clusters.kept.toLocaleString("en")} kept (clusters.jsonl lists them)`
  },
  {
    label: "changed",
    text:
      changed.length === 0
        ? "nothing"
        : `${changed.map((row) => `${row.change} at ${plural(row.places, "place")} of ${plural(row.documents, "document")}`).join(", ")} (changed.jsonl lists them)`
  }
]

/** One line for the whole, one a kind, one for what was left out. */
export const facts = (
  corpus: Artifact.ValueOf<typeof Corpus>
): ReadonlyArray<{ readonly label: string; readonly text: string }> => {
  const shown = corpus.kinds.slice(0, 8)
  const rest = corpus.kinds.slice(8)
  return [
    {
      label: "documents",
      text: `${plural(corpus.documents, "document")}, ${size(corpus.bytes)}, from ${plural(corpus.sources.length, "source")}`
    },
    ...(corpus.refinement === undefined ? [] : refined(corpus.refinement)),
    ...shown.map((row) => ({
      label: kindName(row.kind),
      text: `${plural(row.documents, "document")}, ${size(row.bytes)}`
    })),
    ...(rest.length === 0
      ? []
      : [
          {
            label: "other kinds",
            text: `${plural(
              rest.reduce((sum, row) => sum + row.documents, 0),
              "document"
            )}, ${size(rest.reduce((sum, row) => sum + row.bytes, 0))}`
          }
        ]),
    ...(corpus.decoded === undefined
      ? []
      : [
          {
            label: "decoded",
            text: corpus.decoded
              .map(({ documents, encoding }) => `${documents.toLocaleString("en")} from ${encoding}`)
              .join(", ")
          }
        ]),
    {
      label: "left out",
      text:
        corpus.skipped.length === 0
          ? "nothing"
          : `${corpus.skipped.map((row) => `${row.files.toLocaleString("en")} ${row.reason}`).join(", ")} (skipped.jsonl lists them)`
    }
  ]
}
