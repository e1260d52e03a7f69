/**
 * What each step of `refine` brings: the same small model, trained for the same number of tokens on two repositories, without `refine`, with one of its
 * steps, and with all of its defaults, for each seed. It is measured on two other repositories, which nothing refines. docs/stages/refine.md has the table.
 *
 *     npm run trainyard -- run pipelines/refinement.ts --param seeds=1,2,3
 */
import { Effect, Schema } from "effect"
import {
  buildDataset,
  checkpoint,
  collect,
  Pipeline,
  Qwen,
  Recipe,
  refine,
  Source,
  splitCorpus,
  tokenize,
  train,
  validate
} from "trainyard"

const include = ["**/*.{c,h}"]

const learnedFrom = [
  Source.git("https://github.com/libgit2/libgit2.git", {
    commit: "0551dfd4ad989b6a3d5683c0d4cf326c6efef929",
    include
  }),
  Source.git("https://github.com/curl/curl.git", {
    commit: "5c61e168698a72b87437d58ed728bcdea6d5db42",
    include
  })
]

const measuredOn = [
  Source.git("https://github.com/redis/redis.git", {
    commit: "4f8cdc2a1ea53e42955af758aabffee67cb455dd",
    include
  }),
  Source.git("https://github.com/libuv/libuv.git", {
    commit: "6179e7af87413396d5853a1c3722c8b5749336c8",
    include
  })
]

/** Settings with which `refine` changes nothing. */
const off = {
  nearDuplicates: "ignore",
  maximumMeanLine: null,
  maximumLongestLine: null,
  minimumAlphanumerics: 0,
  generated: "keep",
  excludedFolders: [],
  maximumNumberShare: 1,
  minimumParsedShare: 0,
  secrets: "keep",
  emails: "keep",
  ipAddresses: "keep"
} as const

/** The steps: each alone, and then the defaults. */
const steps = {
  nearDuplicates: { ...off, nearDuplicates: "drop" },
  generated: { ...off, generated: "drop", maximumNumberShare: 0.5 },
  excludedFolders: { ...off, excludedFolders: ["deps", "vendor", "third_party", "testdata", "fixtures"] },
  lines: { ...off, maximumMeanLine: 100, maximumLongestLine: 1000, minimumAlphanumerics: 0.25 },
  parsing: { ...off, minimumParsedShare: 0.5 },
  secrets: { ...off, secrets: "replace", emails: "replace", ipAddresses: "replace" },
  headers: { ...off, repeatedHeaders: "once" },
  defaults: {}
} as const

const parameters = {
  seeds: Schema.NonEmptyArray(Schema.Int).pipe(
    Schema.annotate({ description: "Seeds: of the documents, and of the trainings" }),
    Schema.withDecodingDefaultKey(Effect.succeed([1] as const))
  ),
  trainingSteps: Schema.Int.check(Schema.isGreaterThan(0)).pipe(
    Schema.annotate({ description: "Steps of each training, of 1,024 tokens" }),
    Schema.withDecodingDefaultKey(Effect.succeed(1_000))
  )
}

export default Pipeline.make("refinement", { parameters }, ({ seeds, trainingSteps }) =>
  seeds.flatMap((seed) => {
    const text = collect({ name: `collect-${seed}`, sources: learnedFrom, maximumBytes: 4_000_000, seed })
    const others = splitCorpus({
      name: "others",
      corpus: collect({ name: "collect-others", sources: measuredOn }),
      testShare: 0.5,
      maximumTrainingBytes: 100_000,
      maximumValidationBytes: 100_000,
      maximumTestBytes: 400_000
    })
    return Object.entries({ none: undefined, ...steps }).map(([step, settings]) => {
      const name = (stage: string) => `${stage}-${step}-${seed}`
      const corpus =
        settings === undefined ? text : refine({ name: name("refine"), corpus: text, ...settings })
      const split = splitCorpus({
        name: name("split"),
        corpus,
        testShare: 0,
        validationShare: 0.05,
        maximumValidationBytes: 60_000,
        seed
      })
      const tokenizer = tokenize({ name: name("tokenize"), split, vocabularySize: 2_000 })
      const run = train({
        name: name("train"),
        dataset: buildDataset({ name: name("dataset"), split, tokenizer }),
        model: { ...Qwen.tiny, keyValueHeads: 4 },
        ...Recipe.smallCorpus,
        muon: { learningRate: 0.015, weightDecay: 0.1 },
        sequenceLength: 256,
        steps: trainingSteps,
        batchSize: 4,
        evaluateEvery: trainingSteps,
        seed
      })
      return validate({
        name: name("bits"),
        model: checkpoint({ name: name("model"), run }),
        dataset: buildDataset({ name: name("measured"), split: others, tokenizer }),
        measuredTokens: null,
        language: "none",
        baselines: [],
        yardsticks: []
      })
    })
  })
)
