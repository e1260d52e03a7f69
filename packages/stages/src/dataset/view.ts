/** How a dataset is shown: its splits, and windows of its tokens as text. */
import * as View from "@trainyard/core/View"
import { Effect } from "effect"
import { bytes, count, indexOf, plural } from "../figures.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import { type Counts, Dataset } from "./Dataset.ts"
import * as DatasetReader from "./DatasetReader.ts"
import { published } from "./published.ts"

/** Tokens of a window that is shown. */
const windowTokens = 128

const described = (counts: typeof Counts.Type): string =>
  `${plural(counts.tokens, "token")} of ${plural(counts.documents, "document")}${counts.partial ? ` (${count(counts.partial)} of them in part)` : ""}, ${bytes(counts.bytes)}`

/** The names of the documents that a window reaches into. */
const documentsIn = (split: DatasetReader.SplitReader, start: number, tokens: number): string => {
  const names: Array<string> = []
  for (let at = start; at < start + tokens; ) {
    const document = split.documentAt(at)
    if (document === undefined) break
    names.push(document.path)
    at = document.start + document.tokens
  }
  return names.join(", ")
}

export const view: View.View = View.make(Dataset, {
  facts: ({ test, train, validation, vocabularySize }) => [
    { label: "training", text: described(train) },
    { label: "validation", text: described(validation) },
    { label: "test", text: test === undefined ? "none" : described(test) },
    { label: "vocabulary", text: `${count(vocabularySize)} entries` }
  ],
  published,
  sections: Effect.fnUntraced(function* ({ directory, value }) {
    const reader = yield* DatasetReader.open(directory)
    const tokenizer = yield* Tokenizer.loadExact(directory, value.tokenizer)
    const splits = [
      ["Training", reader.train],
      ["Validation", reader.validation],
      ["Test", reader.test]
    ] as const
    return yield* Effect.forEach(
      splits.flatMap(([title, split]) =>
        split === undefined || split.length === 0 ? [] : [{ title, split }]
      ),
      Effect.fnUntraced(function* ({ split, title }) {
        const tokens = Math.min(windowTokens, split.length)
        return {
          title: `${title}: the first ${plural(tokens, "token")}, from ${documentsIn(split, 0, tokens)}`,
          text: yield* tokenizer.decode(yield* split.read(0, tokens))
        }
      })
    )
  }),
  details: {
    window: {
      argument: "N",
      description: `the Nth window of ${windowTokens} tokens of the training split, as text and as token ids`,
      show: Effect.fnUntraced(function* ({ directory, value }, argument) {
        const { train } = yield* DatasetReader.open(directory)
        const index = indexOf(argument, "window", Math.ceil(train.length / windowTokens))
        if (typeof index === "string") return yield* Effect.fail({ message: index })
        const tokenizer = yield* Tokenizer.loadExact(directory, value.tokenizer)
        const start = index * windowTokens
        const ids = yield* train.read(start, Math.min(windowTokens, train.length - start))
        return [
          {
            title: `Window ${index}: tokens ${count(start)} to ${count(start + ids.length - 1)}`,
            facts: [
              { label: "documents", text: documentsIn(train, start, ids.length) },
              { label: "ids", text: ids.join(" ") }
            ],
            text: yield* tokenizer.decode(ids)
          }
        ]
      })
    }
  }
})
