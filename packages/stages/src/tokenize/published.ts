/** A tokenizer folder without a manifest: a `tokenizer.json` of any maker that can be loaded here. */
import type { Published } from "@trainyard/core/View"
import { Effect } from "effect"
import * as Tokenizer from "./Tokenizer.ts"
import type { TokenizerArtifact } from "./TokenizerArtifact.ts"

export const published: Published<typeof TokenizerArtifact> = {
  files: ["tokenizer.json"],
  digested: "tokenizer.json",
  open: (directory) =>
    Effect.map(
      Tokenizer.load(directory),
      ({ digest, endToken, endTokenId, model, unknownTokenId, vocabularySize }) => ({
        ...{ digest, model, vocabularySize, endToken, endTokenId, unknownTokenId }
      })
    )
}
