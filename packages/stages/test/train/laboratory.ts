/** A tiny dataset and a way to run the train stage on it, for the tests beside. */
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Backend, type Engine, type Session } from "@trainyard/backends/Backend"
import { engine } from "@trainyard/backends/reference/engine"
import type { Artifact } from "@trainyard/core/Artifact"
import { Journal } from "@trainyard/core/Journal"
import type { StageEvent } from "@trainyard/core/RunEvent"
import type * as Stage from "@trainyard/core/Stage"
import { Effect, type FileSystem, Layer, Schema } from "effect"
import { checkpoint } from "../../src/checkpoint/checkpoint.ts"
import type { Dataset } from "../../src/dataset/Dataset.ts"
import type { Model } from "../../src/generate/ModelArtifact.ts"
import { draws } from "../../src/model/draws.ts"
import { digestOf } from "../../src/tokenize/digest.ts"
import type { TrainedRun } from "../../src/train/TrainedRun.ts"
import { train } from "../../src/train/train.ts"

export const vocabularySize = 24
export const sequenceLength = 8
export const endTokenId = 0

/** A folder that is removed when the test ends. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "trainyard-train-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const names = ["main.c", "list.h", "tree.c", "notes.md"]

/** Token ids with a pattern that a tiny model can learn: each token is mostly followed by the next but one. */
const split = (label: string, documents: number, length: number) => {
  const draw = draws("laboratory", label)
  const tokens: Array<number> = []
  const placed: Array<{ start: number; tokens: number }> = []
  for (let document = 0; document < documents; document++) {
    const start = tokens.length
    let token = 1 + Math.floor(draw() * (vocabularySize - 1))
    for (let i = 0; i < length - 1; i++) {
      tokens.push(token)
      token =
        draw() < 0.85
          ? 1 + ((token + 1) % (vocabularySize - 1))
          : 1 + Math.floor(draw() * (vocabularySize - 1))
    }
    tokens.push(endTokenId)
    placed.push({ start, tokens: length })
  }
  return { tokens, placed }
}

const tokenizerJson = JSON.stringify({
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: [
    {
      id: 0,
      content: "<|endoftext|>",
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true
    }
  ],
  normalizer: null,
  pre_tokenizer: { type: "WhitespaceSplit" },
  post_processor: null,
  decoder: null,
  model: {
    type: "WordLevel",
    vocab: Object.fromEntries([
      ["<|endoftext|>", 0],
      ...Array.from({ length: vocabularySize - 1 }, (_, index) => [`w${index + 1}`, index + 1])
    ]),
    unk_token: "w1"
  }
})

/** Writes a dataset artifact of four training documents and two validation documents. */
export const makeDataset = (root: string): Artifact<typeof Dataset> => {
  const directory = join(root, "dataset")
  mkdirSync(directory, { recursive: true })
  const training = split("train", 4, 50)
  const validation = split("validation", 2, 21)
  const write = (name: string, { tokens }: ReturnType<typeof split>) => {
    const bytes = Buffer.from(Uint16Array.from(tokens).buffer)
    writeFileSync(join(directory, name), bytes)
    return {
      tokens: tokens.length,
      bytes: tokens.length * 3,
      digest: createHash("sha256").update(bytes).digest("hex")
    }
  }
  const train = { documents: 4, ...write("train.bin", training) }
  const judged = { documents: 2, ...write("validation.bin", validation) }
  writeFileSync(join(directory, "tokenizer.json"), tokenizerJson)
  writeFileSync(join(directory, "tokenizer_config.json"), '{"eos_token":"<|endoftext|>"}')
  const lines = [
    ...training.placed.map((place, index) => ({ ...place, path: names[index]!, split: "train" })),
    ...validation.placed.map((place, index) => ({
      ...place,
      path: `validation-${index}.c`,
      split: "validation"
    }))
  ].map((place, id) =>
    JSON.stringify({ ...place, id, origin: "folder:test", kind: "c", bytes: place.tokens * 3 })
  )
  writeFileSync(join(directory, "documents.jsonl"), `${lines.join("\n")}\n`)
  return {
    kind: "dataset",
    directory,
    cacheKey: "dataset-of-the-tests",
    value: {
      tokenizer: digestOf(JSON.parse(tokenizerJson), endTokenId),
      vocabularySize,
      endTokenId,
      tokenBytes: 2,
      seed: 1,
      train,
      validation: judged,
      // There is no test.bin: training that looked for it would fail.
      test: { documents: 1, tokens: 30, bytes: 90, digest: "of a file that is not there" }
    }
  }
}

export type Settings = Omit<Parameters<typeof train>[0], "dataset" | "from" | "teacher" | "name" | "after">

/** Settings of a run that takes a fraction of a second. */
export const settings = {
  model: { embedding: 8, layers: 1, heads: 2 },
  sequenceLength,
  steps: 24,
  batchSize: 2,
  learningRate: 0.01,
  evaluateEvery: 8,
  checkpointEvery: { steps: 4 },
  seed: 7
} satisfies Settings

/** The same, waiting at each scheduled checkpoint, so that which there are does not depend on the disk's pace. */
export const steady = { ...settings, faults: { notFinite: "rollback" } } satisfies Settings

/** What the process that is killed trains. */
export const trainee = {
  ...steady,
  steps: 60,
  model: { ...steady.model, dropout: 0.1 }
} satisfies Settings

/** What a run published. */
export interface Heard {
  readonly events: Array<StageEvent>
}

export const journalOf = (
  heard: Heard,
  react: (event: StageEvent) => Effect.Effect<void> = () => Effect.void
) =>
  Layer.succeed(Journal, {
    publish: (event) =>
      Effect.andThen(
        Effect.sync(() => void heard.events.push(event)),
        react(event)
      )
  })

/** The reference engine, with a chance to tamper with each session. */
export const backendOf = (tamper: (session: Session) => Session = (session) => session) =>
  Layer.succeed(Backend, {
    engine: "reference",
    settings: { threads: 1, precision: "f32" },
    why: "asked for",
    open: (tensors) => Effect.map(engine.open(tensors, { threads: 1, precision: "f32" }), tamper)
  })

/** An engine on so many threads. */
export const backendOn = (engine: Engine, threads: number) =>
  Layer.succeed(Backend, {
    engine: engine.name,
    settings: { threads, precision: "f32" },
    why: "asked for",
    open: (tensors) => engine.open(tensors, { threads, precision: "f32" })
  })

export interface Place {
  readonly root: string
  readonly dataset: Artifact<typeof Dataset>
  readonly scratch: string
  readonly output: string
  /** What training starts from, where it does not start with drawn weights. */
  readonly from?: Artifact<typeof TrainedRun> | Artifact<typeof Model>
  readonly teacher?: Artifact<typeof TrainedRun> | Artifact<typeof Model>
}

/** A place to train in: a dataset, a scratch folder and an output folder. */
export const place = Effect.map(temporaryFolder, (root): Place => {
  const scratch = join(root, "scratch")
  const output = join(root, "output")
  mkdirSync(scratch)
  mkdirSync(output)
  return { root, dataset: makeDataset(root), scratch, output }
})

/** A finished run as an artifact. */
export const asRun = (
  { output }: Place,
  value: (typeof TrainedRun)["value"]["Type"]
): Artifact<typeof TrainedRun> => ({
  kind: "trained-run",
  value,
  directory: output,
  cacheKey: `run-in-${output.split("/").at(-1)}`
})

/** Another place with the same dataset. */
export const sibling = ({ dataset, root }: Place, name: string): Place => {
  const scratch = join(root, `${name}-scratch`)
  const output = join(root, `${name}-output`)
  mkdirSync(scratch)
  mkdirSync(output)
  return { root, dataset, scratch, output }
}

const decodeConfig = (node: Stage.Node) =>
  Schema.decodeUnknownEffect(node.stage.config)(node.config) as Effect.Effect<unknown, Schema.SchemaError>

/** Runs the train stage as the runner would. */
export const runTraining = (at: Place, config: Settings) => {
  // The wiring is not looked at: the artifacts are given below.
  const node = train({
    dataset: {},
    ...(at.from && { from: {} }),
    ...(at.teacher && { teacher: {} }),
    ...config
  } as never)
  return decodeConfig(node).pipe(
    Effect.flatMap((decoded) =>
      node.run({
        name: "train",
        inputs: {
          dataset: at.dataset,
          ...(at.from && { from: at.from }),
          ...(at.teacher && { teacher: at.teacher })
        },
        config: decoded,
        output: at.output,
        scratch: at.scratch
      } as never)
    ),
    Effect.map((value) => value as (typeof TrainedRun)["value"]["Type"]),
    Effect.scoped
  ) as Effect.Effect<
    (typeof TrainedRun)["value"]["Type"],
    { readonly _tag: string; readonly message: string },
    Backend | Journal | FileSystem.FileSystem
  >
}

export const services = (
  heard: Heard,
  options: {
    readonly backend?: Layer.Layer<Backend>
    readonly react?: (event: StageEvent) => Effect.Effect<void>
  } = {}
) => Layer.mergeAll(journalOf(heard, options.react), options.backend ?? backendOf(), NodeServices.layer)

/** The bytes that must not depend on how often a run was stopped. */
export const resultOf = ({ output }: Place) =>
  [
    "last/parameters.safetensors",
    "last/optimizer.safetensors",
    "best/parameters.safetensors",
    "curve.jsonl"
  ].map((name) => readFileSync(join(output, name)).toString("base64"))

/** Publishes a trained run under a name, as the runner would. */
export const publishRun = Effect.fn("publishRun")(function* (
  at: Place,
  value: (typeof TrainedRun)["value"]["Type"],
  name: string,
  config: Readonly<Record<string, unknown>>
) {
  const output = join(at.root, name)
  mkdirSync(output, { recursive: true })
  const run = { kind: "trained-run", value, directory: at.output, cacheKey: "run-of-the-tests" }
  const node = checkpoint({ ...config, run: undefined as never } as never)
  const decoded = yield* decodeConfig(node)
  return yield* Effect.scoped(
    node.run({
      name: "checkpoint",
      inputs: { run },
      config: decoded,
      output,
      scratch: at.scratch
    } as never) as Effect.Effect<
      (typeof Model)["value"]["Type"],
      { readonly _tag: string; readonly message: string },
      Backend | Journal | FileSystem.FileSystem
    >
  )
})

/** Trains and publishes: gives the folder of the model. */
export const publishModel = Effect.fn("publishModel")(function* (
  at: Place,
  config: Settings = settings,
  heard: Heard = { events: [] }
) {
  const run = yield* runTraining(at, config).pipe(Effect.provide(services(heard)))
  const value = yield* publishRun(at, run, "model", {}).pipe(Effect.provide(services(heard)))
  return { directory: join(at.root, "model"), value, run }
})
