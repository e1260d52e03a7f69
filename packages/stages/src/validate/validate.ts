/**
 * The validate stage: measures a model against a dataset. It measures how well the model predicts the documents of the test split, which no
 * earlier stage opens, beside n-gram baselines; lets it complete prompts, which the parser and the compiler of a language check; and
 * compares all of that with the gates of its config.
 */
import { join } from "node:path"
import { Backend } from "@trainyard/backends/Backend"
import type { Artifact } from "@trainyard/core/Artifact"
import { digestFile } from "@trainyard/core/Durable"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect, Schema } from "effect"
import * as FittedWeights from "../adaptive/FittedWeights.ts"
import { Dataset } from "../dataset/Dataset.ts"
import * as DatasetReader from "../dataset/DatasetReader.ts"
import { codecOf } from "../generate/Completion.ts"
import * as LoadedModel from "../generate/Model.ts"
import { Model } from "../generate/ModelArtifact.ts"
import { c } from "../languages/c/c.ts"
import { LanguageSetting } from "../languages/LanguageSetting.ts"
import { parameterCount } from "../model/Parameters.ts"
import { leastContext } from "../model/windows.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import type { Fit } from "./adaptivePrediction.ts"
import * as Compressor from "./Compressor.ts"
import { chooseLanguage } from "./chooseLanguage.ts"
import { measureCompletions } from "./completions.ts"
import { fillIn } from "./fillInTheMiddle.ts"
import * as gates from "./gates.ts"
import { predictions } from "./predictions.ts"
import { type Completion, type Gate, Report, type ReportValue, YardstickName } from "./Report.ts"
import * as sampling from "./sampling.ts"
import { checkTokenizers } from "./tokenizers.ts"
import { writeReport } from "./writeReport.ts"

const positive = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const wholeNumber = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

const fields = {
  /**
   * How much of each split is measured: whole documents, drawn by `seed`, until there are this many tokens. `null` measures all.
   * @unit tokens
   */
  measuredTokens: Schema.NullOr(positive).pipe(Schema.withDecodingDefaultKey(Effect.succeed(100_000))),
  /**
   * The language whose parser and compiler check completions: `c`, `python`, a Language value, or `none`. `auto` is C where more than half
   * of the measured split is C by its file endings, and none elsewhere.
   */
  language: LanguageSetting,
  /**
   * Prompts of the completions.
   * @defaultValue those of the language; none without a language
   */
  prompts: Schema.optionalKey(Schema.Array(Schema.String)),
  /**
   * Prompts taken from documents of the test split, beside `prompts`: heads of functions and the like that the document ends within a quarter of
   * `maxTokens`, spread over the documents; where they are too few, the same with some lines of the body. Has no effect without a language.
   * @unit prompts
   */
  documentPrompts: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(12))),
  /**
   * Writes guided completions of the same prompts, too: the report shows free and guided ones side by side. They change no other figure and no
   * gate. Has no effect on a language without a grammar, or a tokenizer that is not byte-level.
   */
  guided: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(true))),
  /**
   * Lines of documents that the model fills in at most, with the most likely tokens: 0 turns it off. Has no effect on a model whose tokenizer
   * has no tokens for it (`fillInTheMiddle` of `tokenize`). It changes no other figure and no gate.
   * @unit lines
   */
  middleLines: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(100))),
  /**
   * Ends a completion when so many top-level items of the language are complete, as `--items` of `generate` does; 0 writes on to the end of the
   * document or `maxTokens`. Has no effect without a language.
   * @unit items
   */
  items: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  ...sampling.fields,
  /** Draws the documents, the prompts and the completions. */
  seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /** Orders of the Kneser-Ney n-gram baselines that are measured. */
  baselines: Schema.Array(gates.order).pipe(Schema.withDecodingDefaultKey(Effect.succeed([2, 5]))),
  /**
   * What the model is compared with beside `baselines`: `ngram-cache`, an n-gram with a cache of the document; `ppmd`, PPMd primed with the
   * training text; `xz` and `zstd`, where they are installed.
   */
  yardsticks: Schema.Array(YardstickName).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(["ngram-cache", "ppmd", "xz", "zstd"] as const))
  ),
  /**
   * Measures adaptive prediction too: the model mixed with the training text's n-grams and with what the document so far contains. Its
   * weights are fitted on the validation split. It is a row of its own, and changes no figure of the model.
   */
  adaptive: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  ...gates.thresholds
}
type Config = Schema.Struct<typeof fields>["Type"]

/** The language that a plan counts with: what "auto" may become. */
const plannedLanguage = ({ language }: Config) =>
  language === "none" ? undefined : language === "auto" ? c : language

/** The compressors among the yardsticks: each with its version, or "none". */
const compressorVersions = (yardsticks: Config["yardsticks"]) =>
  Effect.forEach(
    [...new Set(yardsticks)].filter((name) => name === "xz" || name === "zstd"),
    (name) => Effect.map(Compressor.version(name), (version) => [name, version] as const)
  ).pipe(Effect.map((versions): Readonly<Record<string, string>> => Object.fromEntries(versions)))

/** Completions that are written at once: more take memory for their key-value caches. */
const completionRows = 8

/** Whether the model was trained on this dataset's training split, undefined where that is not known; warns about what limits the figures. */
const checkSplits = Effect.fnUntraced(function* (
  model: Artifact<typeof Model>,
  dataset: Artifact<typeof Dataset>
) {
  const journal = yield* Journal
  const warn = (message: string) => journal.publish({ type: "Note", level: "warning", message })
  if (dataset.value.test === undefined) {
    yield* warn(
      "The dataset has no test split, so the figures and the gates use the validation split, with which training chose the model too. Build the dataset with a test split (testShare) to measure on text that no stage has used."
    )
  }
  const { provenance } = model.value
  const sameTraining = provenance && provenance.trainedOn.digest === dataset.value.train.digest
  if (sameTraining === false) {
    yield* warn(
      `The model at ${model.directory} was trained on another training split than that of ${dataset.directory}, so documents that are measured here may be among those that it was trained on. Train it on this dataset, or validate it against its own.`
    )
  }
  return sameTraining
})

const countsOf = (completions: ReadonlyArray<Completion>): ReportValue["completions"] => {
  const count = (status: string) => completions.filter((each) => each.status === status).length
  return {
    total: completions.length,
    parses: count("parses"),
    errors: count("errors"),
    unfinished: count("unfinished"),
    loops: completions.filter(({ ended, status }) => ended === "loop" && status === "unfinished").length
  }
}

/** Publishes the completions of the config's prompts, and the gates. `step`: of the model, where it is known. */
const publish = Effect.fnUntraced(function* (
  measured: Effect.Success<ReturnType<typeof measureCompletions>>,
  compared: ReadonlyArray<Gate>,
  step: number | null
) {
  const journal = yield* Journal
  const { completions, compiler, compileShare, language } = measured
  for (const { completion, document, prompt } of completions) {
    if (document === null) yield* journal.publish({ type: "Sample", step, prompt, completion })
  }
  if (language !== null && compileShare === null && completions.length > 0) {
    yield* journal.publish({
      type: "Note",
      level: "warning",
      message: `Completions were not compiled: ${compiler}.`
    })
  }
  for (const { gate, passed, relation, threshold, value } of compared) {
    yield* journal.publish({ type: "Gate", gate, value, relation, threshold, passed })
  }
})

/** Keeps the fitted weights of adaptive prediction beside the report. */
const saveWeights = Effect.fnUntraced(function* (
  output: string,
  { dataset, model }: { readonly model: Artifact<typeof Model>; readonly dataset: Artifact<typeof Dataset> },
  { mostTokens, order, parameters, rate, seed }: Fit
) {
  const { sha256 } = yield* digestFile(join(model.directory, "model.safetensors"))
  yield* FittedWeights.save(output, {
    format: 1,
    model: sha256,
    tokenizer: dataset.value.tokenizer,
    training: { digest: dataset.value.train.digest, mostTokens, seed, order },
    rate,
    parameters
  })
})

export const validate = Stage.make({
  name: "validate",
  version: 7,
  source: import.meta.url,
  inputs: { model: Model, dataset: Dataset },
  config: fields,
  validateConfig: (config) =>
    (config.language === "none" ? gates.withoutLanguage(config) : undefined) ??
    gates.withoutYardstick(config) ??
    sampling.withoutEffect(config),
  output: Report,
  usesBackend: true,
  // The compiler, the grammar and the compressors belong to the machine and not to the inputs.
  externalDigest: (config) =>
    Effect.all([
      plannedLanguage(config)?.externalDigest ?? Effect.succeed({}),
      compressorVersions(config.yardsticks)
    ]).pipe(Effect.map(([language, compressors]) => ({ ...language, ...compressors }))),
  modules: (config) => {
    const language = plannedLanguage(config)
    return language === undefined ? [] : [{ name: language.name, source: language.source }]
  },
  gate: (report) => gates.sentence(report.gates),
  run: Effect.fn("validate")(function* ({ config, inputs, output }) {
    const { dataset, model } = inputs
    const journal = yield* Journal
    const backend = yield* Backend
    const started = performance.now()
    const loaded = yield* LoadedModel.load(model.directory)
    const { spec } = loaded
    yield* checkTokenizers(loaded, dataset)
    const tokenizer = yield* Tokenizer.loadExact(dataset.directory, dataset.value.tokenizer)
    const reader = yield* DatasetReader.open(dataset.directory)
    const sameTraining = yield* checkSplits(model, dataset)
    const language = yield* chooseLanguage(config.language, reader.test ?? reader.validation)

    const opened = yield* LoadedModel.open(loaded, completionRows)
    const { comparisons, first, fit, second, seconds } = yield* predictions({
      config,
      tokenizer,
      language,
      directories: { model: model.directory, dataset: dataset.directory },
      model: opened,
      spec,
      dataset: reader,
      journal
    })
    const { figures: prediction, kinds, name: split, whole } = first

    const completing = sampling.withDefaults(config)
    const measured = yield* measureCompletions({
      config: completing,
      language,
      codec: codecOf(tokenizer),
      speaker: opened.generator,
      endTokenId: dataset.value.endTokenId,
      train: reader.train,
      documents: whole,
      progress: (done, total) => journal.publish({ type: "Progress", done, total, unit: "completions" })
    })
    const middles = yield* fillIn(config, opened, dataset, whole)
    const { completions, ...figures } = measured
    const { provenance } = model.value
    const compared = gates.compareAll({ ...prediction, ...comparisons, ...figures }, config)
    yield* publish(measured, compared, provenance?.step ?? null)
    const value: ReportValue = {
      passed: compared.every((gate) => gate.passed),
      gates: compared,
      split,
      ...prediction,
      validation: second?.figures ?? null,
      context: { longest: spec.sequenceLength, least: leastContext(spec.sequenceLength) },
      kinds,
      ...comparisons,
      ...figures,
      completions: countsOf(completions),
      ...middles
    }
    if (fit !== undefined) yield* saveWeights(output, { model, dataset }, fit)
    yield* writeReport({
      output,
      value,
      perDocument: first.perDocument,
      completions,
      modelDirectory: model.directory,
      about: {
        model: `model ${model.cacheKey.slice(0, 12)}`,
        parameters: parameterCount(spec),
        vocabularySize: spec.vocabularySize,
        sequenceLength: spec.sequenceLength,
        lossless: tokenizer.unknownTokenId === null,
        sameTraining,
        calibration: provenance?.temperature,
        engine: `${backend.engine}, ${backend.settings.precision}, ${backend.settings.threads} threads`,
        sampling: sampling.describe(completing),
        seconds,
        language
      },
      seconds: (performance.now() - started) / 1000
    })
    return value
  })
})
