/** A dataset folder without a manifest: its tokens and its tokenizer have the digests that its own `dataset.json` names. */
import type { Published } from "@trainyard/core/View"
import { Effect } from "effect"
import type { Dataset } from "./Dataset.ts"
import * as DatasetReader from "./DatasetReader.ts"

export const published: Published<typeof Dataset> = {
  files: ["dataset.json", "documents.jsonl"],
  digested: "documents.jsonl",
  open: (directory) => Effect.map(DatasetReader.open(directory), ({ value }) => value)
}
