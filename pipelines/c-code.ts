/**
 * A 5.7-million-parameter model of C: 436 files, about 4.6 MB, from pinned npm packages; ten epochs over 288,100 tokens, 2,814 steps.
 *
 *     npm run trainyard -- run pipelines/c-code.ts
 */
import {
  buildDataset,
  checkpoint,
  clean,
  collect,
  Gpt,
  Pipeline,
  Source,
  tokenize,
  train,
  validate
} from "trainyard"

const text = ["**/*.{c,h,md,txt}"]

export default Pipeline.make("c-code", () => {
  const slate = clean()
  const corpus = collect({
    after: [slate],
    sources: [
      // librdkafka and hiredis, both plain C, travel inside these packages.
      Source.npm("node-rdkafka@3.6.1", { include: text }),
      Source.npm("hiredis@0.5.0", { include: text }),
      // Documentation in Markdown.
      Source.npm("npm@11.6.2", { include: text }),
      Source.npm("fastify@5.6.2", { include: text }),
      Source.npm("undici@7.16.0", { include: text })
    ],
    exactly: { c: 123, h: 80, md: 220, other: 13 },
    maximumFileBytes: 100_000
  })
  const tokenizer = tokenize({ corpus, vocabularySize: 10_000 })
  const dataset = buildDataset({
    corpus,
    tokenizer,
    // The whole corpus makes about a million tokens; these limits keep the job at its size, and half of the corpus is left to judge by.
    maximumTokens: 288_100,
    maximumValidationTokens: 32_000,
    testShare: 0.5
  })
  // Few tokens for so many parameters: without these it knows its text by heart after three epochs and is far too sure elsewhere.
  const run = train({
    dataset,
    model: { ...Gpt.small, dropout: 0.25 },
    sequenceLength: 128,
    epochs: 10,
    batchSize: 8,
    weightDecay: 1,
    emaSteps: 400,
    calibrate: true
  })
  const model = checkpoint({ run })
  return validate({
    model,
    dataset,
    prompts: ["int main", "struct", "#include", "void function"],
    // All of the test split: a tenth of it may say the opposite of another tenth.
    measuredTokens: null,
    baselinesToBeat: [2, 5]
  })
})
