/** What `inspect` shows of a refined corpus: what was dropped and changed, and the largest clusters of near-duplicates. */
import { Effect, Schema, Stream } from "effect"
import { bytes, count, share } from "../figures.ts"
import type { Refinement } from "./Corpus.ts"
import { linesOf } from "./linesOf.ts"

const Cluster = Schema.Struct({
  cluster: Schema.Int,
  representative: Schema.Int,
  documents: Schema.Array(
    Schema.Struct({
      document: Schema.Int,
      path: Schema.String,
      kept: Schema.Boolean,
      similarity: Schema.Finite
    })
  )
})
type Cluster = typeof Cluster.Type

/** Clusters that are listed one by one. */
const listedClusters = 20

/** The largest clusters, by documents; of equally large ones the first. */
const largest = (directory: string) =>
  Stream.runFold(
    linesOf(directory, "clusters.jsonl", Cluster),
    (): ReadonlyArray<Cluster> => [],
    (found, cluster) =>
      [...found, cluster].toSorted((a, b) => b.documents.length - a.documents.length).slice(0, listedClusters)
  )

export const refinementSections = Effect.fnUntraced(function* (directory: string, refinement: Refinement) {
  const clusters = yield* largest(directory)
  const { changed, clusters: found, dropped } = refinement
  return [
    {
      title: "Dropped by refining (skipped.jsonl has all)",
      table: {
        columns: ["reason", "documents", "size", "share of the size"],
        rows: dropped.map((row) => [
          row.reason,
          count(row.documents),
          bytes(row.bytes),
          share(row.bytes / Math.max(1, refinement.bytes))
        ])
      }
    },
    {
      title: "Changed by refining (changed.jsonl has all places)",
      table: {
        columns: ["change", "documents", "places"],
        rows: changed.map((row) => [row.change, count(row.documents), count(row.places)])
      }
    },
    {
      title:
        found.clusters > clusters.length
          ? `Near-duplicates: the largest ${clusters.length} of ${count(found.clusters)} clusters (clusters.jsonl has all)`
          : "Near-duplicates: clusters",
      table: {
        columns: ["cluster", "representative", "documents", "kept", "least similarity"],
        rows: clusters.map(({ cluster, documents }) => [
          String(cluster),
          documents[0]?.path ?? "",
          count(documents.length),
          count(documents.filter(({ kept }) => kept).length),
          share(Math.min(...documents.map(({ similarity }) => similarity)))
        ])
      }
    }
  ].filter(({ table }) => table.rows.length > 0)
})
