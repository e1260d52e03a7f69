/**
 * What filling in the middle costs and gives: the quickstart's model, trained once for each share of transformed documents and validated on
 * plain text and on lines to fill in. The comparison at the end has the bits per byte; each report has its section on lines.
 *
 *     node scripts/trainyard.mjs run scripts/fill-in-the-middle.ts
 *     node scripts/trainyard.mjs run scripts/fill-in-the-middle.ts --param shares=0,0.25,0.5,0.9 --param steps=2000
 */
import { Effect, Schema } from "effect"
import {
  buildDataset,
  checkpoint,
  collect,
  Pipeline,
  Qwen,
  Source,
  splitCorpus,
  tokenize,
  train,
  validate
} from "trainyard"

const parameters = {
  shares: Schema.Array(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.99 }))).pipe(
    Schema.annotate({ description: "Shares of the training documents that are transformed" }),
    Schema.withDecodingDefaultKey(Effect.succeed([0, 0.5]))
  ),
  steps: Schema.Int.check(Schema.isGreaterThan(0)).pipe(
    Schema.annotate({ description: "Training steps of each model" }),
    Schema.withDecodingDefaultKey(Effect.succeed(1_000))
  ),
  lines: Schema.Int.check(Schema.isGreaterThan(0)).pipe(
    Schema.annotate({ description: "Lines to fill in" }),
    Schema.withDecodingDefaultKey(Effect.succeed(200))
  )
}

export default Pipeline.make("fill-in-the-middle", { parameters }, ({ lines, shares, steps }) => {
  const corpus = collect({
    sources: [Source.npm("node-rdkafka@3.6.1", { include: ["**/*.{c,h}"] })],
    maximumBytes: 1_200_000
  })
  const split = splitCorpus({ corpus })
  // The same tokenizer for all, so that nothing else differs.
  const tokenizer = tokenize({ split, vocabularySize: 2_000, fillInTheMiddle: true })
  const dataset = buildDataset({ split, tokenizer })
  return shares.map((share) => {
    const run = train({
      name: `train-${share}`,
      dataset,
      model: { ...Qwen.tiny, keyValueHeads: 4 },
      sequenceLength: 256,
      windows: "documents",
      contextSchedule: [{ until: 0.4, sequenceLength: 128 }],
      fillInTheMiddle: share,
      steps,
      batchSize: 4,
      optimizer: "muon",
      muon: { learningRate: 0.02, weightDecay: 0.2 },
      learningRate: 5e-3,
      schedule: "linear",
      averageLast: 0.15,
      calibrate: true,
      evaluateEvery: 250,
      evaluationTokens: 20_000
    })
    const model = checkpoint({ name: `checkpoint-${share}`, run })
    return validate({
      name: `validate-${share}`,
      model,
      dataset,
      prompts: [],
      documentPrompts: 0,
      middleLines: lines,
      baselines: [2],
      baselinesToBeat: [],
      yardsticks: []
    })
  })
})
