/**
 * The validate stage: judges a model against a dataset. It measures how well the model predicts the documents of the test split, which
 * no stage before it opens, beside n-gram baselines, lets it write, judges what it wrote as C, and compares all of it with the gates of its config.
 */
import { Backend } from "@trainyard/backends/Backend"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect, Schema } from "effect"
import { Dataset } from "../dataset/Dataset.ts"
import * as DatasetReader from "../dataset/DatasetReader.ts"
import { codecOf } from "../generate/Completion.ts"
import * as LoadedModel from "../generate/Model.ts"
import { Model } from "../generate/ModelArtifact.ts"
import { parameterCount } from "../model/Parameters.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import * as gates from "./gates.ts"
import { describeGcc } from "./gcc.ts"
import { judgeCompletions } from "./judgeCompletions.ts"
import { sample, scoreBaseline, scoreModel } from "./measure.ts"
import { digestGrammar } from "./parseC.ts"
import { kindFigures, splitFigures } from "./predict.ts"
import { Report, type ReportValue } from "./Report.ts"
import { checkTokenizers } from "./tokenizers.ts"
import { ValidationImpossible } from "./ValidationError.ts"
import { leastContext } from "./windows.ts"
import { writeReport } from "./writeReport.ts"

const positive = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const wholeNumber = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

/** Windows that the model reads at a time. */
const batchSize = 8

export const validate = Stage.make({
  name: "validate",
  version: 2,
  source: import.meta.url,
  inputs: { model: Model, dataset: Dataset },
  config: {
    /**
     * How much of each split is measured: whole documents, drawn by `seed`, until there are this many tokens. `null` measures all.
     * @unit tokens
     */
    measuredTokens: Schema.NullOr(positive).pipe(Schema.withDecodingDefaultKey(Effect.succeed(100_000))),
    /** Prompts of the completions. */
    prompts: Schema.Array(Schema.String).pipe(
      Schema.withDecodingDefaultKey(Effect.succeed(["int main", "struct", "#include", "void function"]))
    ),
    /**
     * Prompts taken from documents of the test split, beside `prompts`: beginnings of functions and structures that the document ends
     * within half of `maxTokens`.
     * @unit prompts
     */
    documentPrompts: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(12))),
    /**
     * Length of a completion.
     * @unit tokens
     */
    maxTokens: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(160))),
    /** Sampling temperature. 0 always takes the most likely token; 1 samples from the model's own distribution. */
    temperature: Schema.Finite.pipe(
      Schema.check(Schema.isGreaterThanOrEqualTo(0)),
      Schema.withDecodingDefaultKey(Effect.succeed(0.5))
    ),
    /**
     * Samples from this many of the most likely tokens only.
     * @unit tokens
     */
    topK: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(40))),
    /** Draws the documents, the prompts and the completions. */
    seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
    /** Orders of the Kneser-Ney n-gram baselines that are measured. */
    baselines: Schema.Array(gates.order).pipe(Schema.withDecodingDefaultKey(Effect.succeed([2, 5]))),
    ...gates.thresholds
  },
  output: Report,
  usesBackend: true,
  // What judges completions belongs to the machine and not to the inputs.
  externalDigest: () => Effect.all({ compiler: describeGcc(), grammar: digestGrammar }),
  gate: (report) => gates.sentence(report.gates),
  run: Effect.fn("validate")(function* ({ config, inputs, output }) {
    const { dataset, model } = inputs
    const journal = yield* Journal
    const backend = yield* Backend
    const started = performance.now()
    const loaded = yield* LoadedModel.load(model.directory)
    const { spec } = loaded
    const { sequenceLength, vocabularySize } = spec
    yield* checkTokenizers(loaded, dataset)
    const tokenizer = yield* Tokenizer.loadExact(dataset.directory, dataset.value.tokenizer)
    const codec = codecOf(tokenizer)
    const { test, train, validation } = yield* DatasetReader.open(dataset.directory)
    if (test === undefined) {
      yield* journal.publish({
        type: "Note",
        level: "warning",
        message: `The dataset has no test split, so the figures and the gates go by the validation split, by which training chose too. Build the dataset with a test split (testShare) to judge on text that nothing has seen.`
      })
    }
    const { provenance } = model.value
    const sameTraining = provenance && provenance.trainedOn.digest === dataset.value.train.digest
    if (sameTraining === false) {
      yield* journal.publish({
        type: "Note",
        level: "warning",
        message: `The model at ${model.directory} was trained on another training split than that of ${dataset.directory}, so documents that judge it here may be among those that it learned from. Train it on this dataset, or judge it by its own.`
      })
    }
    const most = config.measuredTokens ?? Number.POSITIVE_INFINITY
    /** The split that is judged, then the one shown beside it. */
    const splits = [
      ...(test === undefined ? [] : [{ name: "test", whole: test } as const]),
      { name: "validation", whole: validation } as const
    ].map((each) => ({ ...each, measured: sample(each.whole, most, config.seed) }))
    const progress = (unit: string) => (done: number, total: number) =>
      journal.publish({ type: "Progress", done, total, unit })

    const opened = yield* LoadedModel.open(loaded)
    const evaluating = yield* opened.evaluating(batchSize)
    const modelScores = yield* Effect.forEach(splits, ({ measured, name }) =>
      scoreModel(
        evaluating,
        { batchSize, sequenceLength },
        dataset.value.endTokenId,
        measured,
        progress(`windows of the ${name} split`)
      )
    )
    const orders = [...new Set([...config.baselines, ...config.baselinesToBeat])].sort((a, b) => a - b)
    const baselineScores = yield* Effect.forEach(orders, (order) =>
      Effect.map(
        scoreBaseline(
          order,
          vocabularySize,
          train,
          splits.map(({ measured }) => measured)
        ),
        (scores) => ({ order, scores })
      )
    )
    const [first, second] = yield* Effect.forEach(
      splits,
      Effect.fnUntraced(function* ({ measured, name, whole }, index) {
        const scored = {
          measured,
          ofDocuments: whole.documents.length,
          model: modelScores[index]!,
          baselines: baselineScores.map(({ order, scores }) => ({ order, scores: scores[index]! }))
        }
        const figures = splitFigures(scored)
        if (figures === null) {
          return yield* new ValidationImpossible({
            message: `The ${name} split of ${dataset.directory} holds no text. Collect more documents, or raise the ${name} share of the dataset.`
          })
        }
        if (!Number.isFinite(figures.loss)) {
          return yield* new ValidationImpossible({
            message: `The model at ${model.directory} gives a loss that is no number on the ${name} split: its weights are damaged or training went astray. Train again, with a smaller learning rate if it does so again.`
          })
        }
        return { name, whole, figures, kinds: kindFigures(scored) }
      })
    )
    const { figures: prediction, kinds, name: split, whole } = first!

    const judged = yield* judgeCompletions({
      config,
      codec,
      speaker: opened.speaker,
      endTokenId: dataset.value.endTokenId,
      train,
      documents: whole,
      progress: progress("completions")
    })
    for (const { completion, document, prompt } of judged.completions) {
      if (document === null) {
        yield* journal.publish({ type: "Sample", step: provenance?.step ?? null, prompt, completion })
      }
    }
    if (judged.gccShare === null && judged.completions.length > 0) {
      yield* journal.publish({
        type: "Note",
        level: "warning",
        message: `gcc's opinion is missing: ${judged.gcc}.`
      })
    }

    const { completions, ...figures } = judged
    const compared = gates.judge({ ...prediction, ...figures }, config)
    for (const { gate, passed, relation, threshold, value } of compared) {
      yield* journal.publish({ type: "Gate", gate, value, relation, threshold, passed })
    }
    const count = (verdict: string) => completions.filter((each) => each.verdict === verdict).length
    const value: ReportValue = {
      passed: compared.every((gate) => gate.passed),
      gates: compared,
      split,
      ...prediction,
      validation: second?.figures ?? null,
      context: { longest: sequenceLength, least: leastContext(sequenceLength) },
      kinds,
      completions: {
        total: completions.length,
        parses: count("parses"),
        errors: count("errors"),
        unfinished: count("unfinished")
      },
      ...figures
    }
    yield* writeReport({
      output,
      value,
      completions,
      modelDirectory: model.directory,
      about: {
        model: `model ${model.cacheKey.slice(0, 12)}`,
        parameters: parameterCount(spec),
        vocabularySize,
        sequenceLength,
        lossless: tokenizer.unknownTokenId === null,
        sameTraining,
        calibration: provenance?.temperature,
        engine: `${backend.engine}, ${backend.settings.precision}, ${backend.settings.threads} threads`,
        sampling:
          config.temperature === 0
            ? `at most ${config.maxTokens} tokens, always the most likely one`
            : `at most ${config.maxTokens} tokens, drawn at temperature ${config.temperature} from the ${config.topK} most likely (seed ${config.seed})`
      },
      seconds: (performance.now() - started) / 1000
    })
    yield* journal.publish({ type: "Facts", facts: factsOf(value) })
    return value
  })
})

const factsOf = (report: ReportValue) => [
  {
    label: "Judged on",
    text: `${report.split} split, ${report.documents.toLocaleString("en")} document${report.documents === 1 ? "" : "s"}, ${report.tokens.toLocaleString("en")} tokens`
  },
  { label: "Bits per byte", text: gates.figure(report.bitsPerByte) },
  ...report.baselines.map((each) => ({
    label: `Bits per byte, ${gates.baselineName(each.order)}`,
    text: gates.figure(each.bitsPerByte)
  })),
  ...(report.validation === null
    ? []
    : [{ label: "Bits per byte, validation split", text: gates.figure(report.validation.bitsPerByte) }]),
  { label: "Loss", text: `${report.loss.toFixed(4)} (perplexity ${gates.figure(report.perplexity)})` },
  { label: "Top-1 accuracy", text: gates.percent(report.topOneAccuracy) },
  {
    label: "Parse as C",
    text:
      report.parseShare === null
        ? "no completions"
        : `${report.completions.parses} of ${report.completions.total}`
  },
  {
    label: "gcc takes",
    text: report.gccShare === null ? `not measured: ${report.gcc}` : gates.percent(report.gccShare)
  },
  {
    label: "Longest overlap",
    text: report.longestOverlap === null ? "no completions" : `${report.longestOverlap} tokens`
  }
]
