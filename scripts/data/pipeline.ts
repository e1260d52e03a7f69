/** What `npm run bench:data` measures: from a file of documents to token files. */
import { Schema } from "effect"
import { buildDataset, collect, Pipeline, refine, Source, splitCorpus, tokenize } from "trainyard"

const parameters = { corpus: Schema.String, parse: Schema.optionalKey(Schema.Boolean) }

export default Pipeline.make("bench-data", { parameters }, ({ corpus, parse = false }) => {
  const collected = collect({
    sources: [
      Source.jsonLines(corpus, { textField: "content", pathField: "path", originField: "repository" })
    ],
    maximumUnpackedBytes: 2 ** 40
  })
  const refined = refine({ corpus: collected, ...(parse ? {} : { minimumParsedShare: 0 }) })
  const split = splitCorpus({ corpus: refined })
  return buildDataset({ split, tokenizer: tokenize({ split }) })
})
