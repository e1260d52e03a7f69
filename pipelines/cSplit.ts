/** The corpus of `c-code.ts` and `c-code-best.ts`, and its split: both train on the same documents and are measured on the same ones. */
import { clean, collect, Source, splitCorpus } from "trainyard"

const text = ["**/*.{c,h,md,txt}"]

/** 436 files, about 4.6 MB, from pinned npm packages. */
export const cSplit = () => {
  const cleaned = clean()
  const corpus = collect({
    after: [cleaned],
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
  return splitCorpus({
    corpus,
    // Half of the corpus is for the test: a tenth of it may say the opposite of another tenth.
    testShare: 0.5,
    // 124 documents, which a vocabulary of 10,000 makes 288,194 tokens.
    maximumTrainingBytes: 1_142_637
  })
}
