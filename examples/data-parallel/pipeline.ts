/**
 * Data parallel training over a slow network, an experiment: two replicas train by themselves and are averaged now and then (DiLoCo).
 *
 *     npx trainyard run examples/data-parallel/pipeline.ts
 *     npx trainyard run examples/data-parallel/pipeline.ts --param replicas=4 --param rounds=10 --param localSteps=50
 *     npx trainyard run examples/data-parallel/pipeline.ts --on queue      replicas side by side, on workers: see docs/workers.md
 *
 * Each round of each replica is an artifact, so a run that is killed goes on, and ends with the same bits wherever its rounds were made.
 */
import { fileURLToPath } from "node:url"
import { Effect, Schema } from "effect"
import {
  buildDataset,
  checkpoint,
  collect,
  diloco,
  Gpt,
  Pipeline,
  Source,
  splitCorpus,
  tokenize
} from "trainyard"

const sample = fileURLToPath(new URL("../../node_modules/node-api-headers/include", import.meta.url))

const positive = Schema.Int.check(Schema.isGreaterThan(0))
const count = (description: string, value: number) =>
  positive.pipe(Schema.annotate({ description }), Schema.withDecodingDefaultKey(Effect.succeed(value)))

const parameters = {
  replicas: count("Replicas that train side by side", 2),
  rounds: count("How often they are averaged", 3),
  localSteps: count("Steps of each between two averages", 10)
}

export default Pipeline.make("data-parallel", { parameters }, ({ localSteps, replicas, rounds }) => {
  const corpus = collect({ sources: [Source.folder(sample, { include: ["**/*.h"] })] })
  const split = splitCorpus({ corpus })
  const dataset = buildDataset({ split, tokenizer: tokenize({ split, vocabularySize: 300 }) })
  const run = diloco({
    experimental: true,
    dataset,
    model: Gpt.tiny,
    sequenceLength: 32,
    batchSize: 4,
    learningRate: 0.003,
    replicas,
    rounds,
    localSteps
  })
  return checkpoint({ run, title: "Two replicas" })
})
