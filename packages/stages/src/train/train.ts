/**
 * The train stage: trains a transformer on a dataset. Killed at any moment, the next run goes on from the newest whole checkpoint and ends
 * with the same bits.
 */
import { join } from "node:path"
import { Backend } from "@trainyard/backends/Backend"
import { sizeOf } from "@trainyard/backends/program/Program"
import type { Artifact } from "@trainyard/core/Artifact"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect, FileSystem, Schema } from "effect"
import { Dataset } from "../dataset/Dataset.ts"
import { DamagedDataset } from "../dataset/DatasetError.ts"
import * as DocumentStarts from "../dataset/DocumentStarts.ts"
import { OpenTokens } from "../dataset/Tokens.ts"
import { type Codec, codecOf } from "../generate/Completion.ts"
import { Model } from "../generate/ModelArtifact.ts"
import { titleOf } from "../model/families.ts"
import { parameterCount } from "../model/Parameters.ts"
import { sentinelsOf, sentinelTokens } from "../tokenize/sentinels.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import type { TokenizerMismatch } from "../tokenize/TokenizerError.ts"
import { trainToEnd } from "./Attempts.ts"
import { adviceOf } from "./advice.ts"
import { averageKind } from "./averaging.ts"
import * as Checkpoints from "./Checkpoints.ts"
import { defaultPrompts } from "./defaultPrompts.ts"
import { Halving } from "./Halving.ts"
import { optimizerState } from "./optimizers.ts"
import { type DatasetFacts, type Plan, planOf, TrainingImpossible } from "./Plan.ts"
import { factsOf, publish, teacherFacts } from "./publish.ts"
import { restore } from "./Restore.ts"
import * as Start from "./Start.ts"
import type { Origin } from "./State.ts"
import { copyStoppedRun } from "./stoppedRun.ts"
import * as Teacher from "./Teacher.ts"
import { excludeFromCacheKey, fields, TrainConfig } from "./TrainConfig.ts"
import { TrainedRun } from "./TrainedRun.ts"
import { type ModelOrStart, missingModel, validateConfig } from "./validateConfig.ts"

const encodeConfig = Schema.encodeSync(TrainConfig)

/** The settings that decide the result, as JSON. */
export const decisive = (config: TrainConfig): unknown =>
  Object.fromEntries(
    Object.entries(encodeConfig(config)).filter(
      ([key]) => !(excludeFromCacheKey as ReadonlyArray<string>).includes(key)
    )
  )

type From = Artifact<typeof TrainedRun> | Artifact<typeof Model>

/** Where the documents of the splits begin, or a sentence on the list that does not say. */
export const documentsOf = Effect.fnUntraced(function* ({ directory, value }: Artifact<typeof Dataset>) {
  const file = join(directory, "documents.jsonl")
  const damaged = (why: string) =>
    new DamagedDataset({
      file,
      message: `${file} ${why}. Run the dataset stage again, without reusing this, or copy it again.`
    })
  const { train, validation } = yield* DocumentStarts.read(directory).pipe(
    Effect.catchTags({
      UnreadableLine: ({ line }) => Effect.fail(damaged(`does not describe a document in line ${line}`)),
      PlatformError: (error) => Effect.fail(damaged(`cannot be read (${error.message})`))
    })
  )
  const fits = (starts: DocumentStarts.DocumentStarts, tokens: number) =>
    starts[0] === 0 && starts.every((start, index) => start < (starts[index + 1] ?? tokens))
  if (!fits(train, value.train.tokens) || !fits(validation, value.validation.tokens))
    return yield* damaged("does not fit the splits")
  return { train, validation }
})

/** The plan of this training, and what it starts from. Checks that dataset, settings and start fit together. */
const planned = Effect.fnUntraced(function* (
  config: TrainConfig,
  dataset: Artifact<typeof Dataset>,
  from: From | undefined
) {
  const opened = from === undefined ? undefined : yield* Start.open(from, dataset, config)
  const shape = opened?.model ?? config.model
  if (shape === undefined) return yield* new TrainingImpossible({ message: missingModel })
  const facts: DatasetFacts = {
    vocabularySize: dataset.value.vocabularySize,
    trainTokens: dataset.value.train.tokens,
    validationTokens: dataset.value.validation.tokens,
    documents: yield* documentsOf(dataset)
  }
  const plan = yield* planOf(config, shape, facts, opened)
  return {
    plan,
    documents: facts.documents,
    start: opened === undefined ? undefined : Start.settle(opened, config, plan)
  }
})

/** Opens the folder of checkpoints, and checks that the disk has room for those of the whole run. */
export const openCheckpoints = Effect.fnUntraced(function* (
  root: string,
  config: TrainConfig,
  plan: Plan,
  origin: Origin
) {
  const averages = averageKind(config) !== "none"
  const checkpoints = yield* Checkpoints.make({
    root,
    keepLast: config.keepLast,
    incompatible: (checkpoint) =>
      Effect.map(restore(checkpoint, plan.spec, origin, config), (restored) =>
        typeof restored === "string" ? restored : undefined
      )
  })
  // A state is the parameters, what the optimizer keeps, and the average, in float32. There are the last few states, the best, one being
  // written, and the two of the result; and on disk while training, the average and the weights that it replaces during an evaluation.
  const states = config.keepLast + 4
  const weights = 4 * parameterCount(plan.spec)
  const optimizer = optimizerState(config.optimizer, plan.spec).reduce(
    (sum, { shape }) => sum + 4 * sizeOf(shape),
    0
  )
  yield* checkpoints.checkSpace(states * (weights + optimizer) + (averages ? (states + 2) * weights : 0))
  return checkpoints
})

/** Sentences on what the settings leave to the model's family. */
const notesOf = (config: TrainConfig, { masksDocuments, spec }: Plan): ReadonlyArray<string> =>
  config.windows === "documents" && config.documentMask === undefined && !masksDocuments
    ? [
        `Several documents share a window, and attention crosses from one to the next: ${titleOf(spec.model)} has no document mask here.`
      ]
    : []

/** Publishes what is worth knowing before the first step: the plan, and settings without effect. */
const announce = Effect.fnUntraced(function* (
  config: TrainConfig,
  plan: Plan,
  {
    start,
    teacher
  }: { readonly start: Start.Start | undefined; readonly teacher: Teacher.Teacher | undefined },
  backend: Backend["Service"]
) {
  const journal = yield* Journal
  yield* journal.publish({
    type: "Facts",
    facts: [...factsOf(plan, config, parameterCount(plan.spec), start), ...teacherFacts(teacher)]
  })
  for (const message of [...(start?.notes ?? []), ...notesOf(config, plan)])
    yield* journal.publish({ type: "Note", level: "info", message })
  const warnings = [
    ...adviceOf(config, plan, start),
    ...(backend.caution === undefined ? [] : [backend.caution])
  ]
  for (const message of warnings) yield* journal.publish({ type: "Note", level: "warning", message })
})

/** How documents are transformed to fill in the middle; undefined where the settings ask for none. */
const fillingOf = Effect.fnUntraced(function* (
  { fillInTheMiddle: share = 0, seed }: TrainConfig,
  { directory, value }: Artifact<typeof Dataset>,
  codec: Codec<TokenizerMismatch>
) {
  if (share === 0) return undefined
  // A tokenizer.json that cannot be read was refused when the tokenizer was opened.
  const sentinels = yield* sentinelsOf(directory).pipe(Effect.orElseSucceed(() => undefined))
  if (sentinels === undefined)
    return yield* new TrainingImpossible({
      message: `fillInTheMiddle is ${share}, and the dataset's tokenizer has no tokens for it (${sentinelTokens.join(", ")}). Make the tokenizer with tokenize({ fillInTheMiddle: true }), or take fillInTheMiddle out.`
    })
  return { share, seed, sentinels, codec, endTokenId: value.endTokenId }
})

/** Opens the splits that training reads, and the tokenizer for samples. */
export const openDataset = Effect.fnUntraced(function* (
  config: TrainConfig,
  dataset: Artifact<typeof Dataset>
) {
  const { directory, value } = dataset
  const openTokens = yield* OpenTokens
  const codec = codecOf(yield* Tokenizer.loadExact(directory, value.tokenizer))
  return {
    dataset: directory,
    codec,
    filling: yield* fillingOf(config, dataset, codec),
    endTokenId: value.endTokenId,
    train: yield* openTokens(join(directory, "train.bin"), value.tokenBytes),
    validation: yield* openTokens(join(directory, "validation.bin"), value.tokenBytes)
  }
})

const stage = Stage.make({
  name: "train",
  version: 1,
  source: import.meta.url,
  inputs: {
    dataset: Dataset,
    /** What to start from: a run, which is continued, or a model, whose weights are trained further. */
    from: Stage.optional(TrainedRun, Model),
    /** Whose predictions are mixed with the text: see `distill`. */
    teacher: Stage.optional(TrainedRun, Model),
    /** Which runs of a sweep go on; one that does not ends with what it has: see `halve`. */
    halving: Stage.optional(Halving)
  },
  config: fields,
  validateConfig,
  excludeFromCacheKey: [...excludeFromCacheKey],
  output: TrainedRun,
  usesBackend: true,
  run: Effect.fn("train")(function* ({ config, inputs, output, scratch }) {
    const { dataset, from, halving } = inputs
    if (
      halving !== undefined &&
      from?.kind === TrainedRun.name &&
      !halving.value.kept.includes(from.cacheKey)
    )
      return yield* copyStoppedRun(from, output)
    const backend = yield* Backend
    const journal = yield* Journal
    const { documents, plan, start } = yield* planned(config, dataset, from)
    const teacher =
      inputs.teacher && (yield* Teacher.open(inputs.teacher, dataset, config, plan.spec.sequenceLength))
    const opened = yield* openDataset(config, dataset)
    const origin: Origin = {
      dataset: dataset.cacheKey,
      ...(from && { from: from.cacheKey }),
      ...(teacher && { teacher: teacher.cacheKey }),
      engine: backend.engine,
      precision: backend.settings.precision,
      threads: backend.settings.threads,
      config: decisive(config)
    }
    const root = join(scratch, "checkpoints")
    const checkpoints = yield* openCheckpoints(root, config, plan, origin)
    yield* announce(config, plan, { start, teacher }, backend)
    const prompts =
      config.prompts ?? (config.sampleEvery === 0 ? [] : yield* defaultPrompts(dataset.directory))
    const state = yield* trainToEnd({
      config: { ...config, prompts },
      plan,
      documents,
      ...opened,
      checkpoints,
      journal,
      fileSystem: yield* FileSystem.FileSystem,
      origin,
      from: start,
      teacher,
      root
    })
    return yield* publish({ config, plan, dataset, checkpoints, state, start, teacher, output, backend })
  })
})

/**
 * Trains a model on a dataset: `train({ dataset, model: Gpt.tiny, sequenceLength: 128, steps: 1000 })`. With `from` it continues a finished run,
 * `train({ dataset, from: run, steps: 2000 })`, or trains a model further, `train({ dataset, from: importModel({ folder }) })`.
 *
 * Fails with `TrainingImpossible` or `StartImpossible` when dataset, settings and start do not fit together, `TrainingStopped` at a bad step,
 * `DamagedDataset` when the list of its documents is damaged, `DiskTooSmall` and `CheckpointFailed` when the disk refuses, `NotEnoughMemory`, and how the engine and the files that it reads fail.
 */
export const train = Stage.requiring<ModelOrStart>()(stage)
