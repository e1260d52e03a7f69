/** How a tokenizer is shown: its vocabulary, and how it cuts a text. */
import * as View from "@trainyard/core/View"
import { Effect } from "effect"
import { count, plural, share } from "../figures.ts"
import { published } from "./published.ts"
import * as Tokenizer from "./Tokenizer.ts"
import { TokenizerArtifact } from "./TokenizerArtifact.ts"

export const view: View.View = View.make(TokenizerArtifact, {
  facts: (value) => [
    { label: "vocabulary", text: `${count(value.vocabularySize)} entries, ${value.model}` },
    { label: "end of a document", text: `${value.endToken} (${value.endTokenId})` },
    ...(value.bytesPerToken === undefined
      ? []
      : [{ label: "bytes per token", text: value.bytesPerToken.toFixed(2) }]),
    ...(value.unknownRate === undefined ? [] : [{ label: "unknown tokens", text: share(value.unknownRate) }]),
    ...(value.vocabularyUse === undefined
      ? []
      : [{ label: "used by the training split", text: share(value.vocabularyUse) }])
  ],
  published,
  details: {
    text: {
      argument: "TEXT",
      description: "how a text is cut into tokens",
      show: Effect.fnUntraced(function* ({ directory, value }, text) {
        const tokenizer = yield* Tokenizer.loadExact(directory, value.digest)
        const ids = yield* tokenizer.encode(text)
        const pieces = yield* Effect.forEach(ids, (id) => tokenizer.decode([id]))
        return [
          {
            title: `${plural(ids.length, "token")} for ${plural(Buffer.byteLength(text), "byte")}`,
            table: {
              columns: ["token", "id", "text"],
              rows: pieces.map((piece, index) => [
                String(index),
                String(ids[index]),
                // As a string literal, so that blanks can be seen.
                JSON.stringify(piece)
              ])
            }
          }
        ]
      })
    }
  }
})
