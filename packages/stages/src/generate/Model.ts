/**
 * A model folder loaded: its weights and its tokenizer, ready for an engine.
 *
 * @example
 * ```ts
 * const model = yield* Model.load("model")
 * const session = yield* Model.open(model)
 * const text = yield* Model.complete(session, "int main", { maxTokens: 64, temperature: 0.8, seed: 1 })
 * ```
 */
import { join } from "node:path"
import { Backend, type BackendError, type Prepared, type RunError } from "@trainyard/backends/Backend"
import { Effect, FileSystem, Schema, Scope, Stream } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { faultOf, type Spec } from "../model/families.ts"
import { fromHuggingFace, readConfig } from "../model/huggingFace.ts"
import { evaluate, tensorsOf } from "../model/Programs.ts"
import { release } from "../tensors/release.ts"
import type { SafetensorsError, Source } from "../tensors/Safetensors.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import type { TokenizerMismatch } from "../tokenize/TokenizerError.ts"
import type { TextGenerator } from "./Batch.ts"
import { type Codec, codecOf } from "./decoding.ts"
import type { GuideImpossible } from "./Guide.ts"
import { type Provenance, provenanceOf } from "./Provenance.ts"
import { type Part, type Prompt, type SampleOptions, samples as samplesOf } from "./Samples.ts"
import { sharedPosition, slotPrograms, widthProgram } from "./slotPrograms.ts"

/** The folder is no model that can be used here. */
export class ModelUnreadable extends Schema.TaggedError<ModelUnreadable>()("ModelUnreadable", {
  directory: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `${this.directory} cannot be used as a model: ${this.why}. Give a folder that the checkpoint stage or save_pretrained made, whole.`
  }
}

export interface Loaded {
  readonly directory: string
  readonly spec: Spec
  /** In our layout: linear weights [out, in]. Read from the folder when a session opens. */
  readonly parameters: ReadonlyArray<Source<SafetensorsError>>
  readonly codec: Codec<TokenizerMismatch>
  /** Token that ends a document. */
  readonly endTokenId: number
  /** Digest of the tokenizer in the folder. */
  readonly tokenizer: string
  /** How the weights were trained, from their metadata; undefined where there is none. */
  readonly provenance: Provenance | undefined
}

/** Failures of a model folder, as `ModelUnreadable` with what is wrong. */
const failuresOf = (directory: string) => {
  const unreadable = (why: string) => new ModelUnreadable({ directory, why })
  return {
    unreadable,
    orUnreadable: (name: string) => (error: PlatformError) =>
      unreadable(
        error.reason._tag === "NotFound"
          ? `it has no ${name}`
          : `${name} cannot be read (${error.reason._tag})`
      )
  }
}

/** The sizes and the end token that config.json gives. */
const configOf = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const { orUnreadable, unreadable } = failuresOf(directory)
  const { endTokenId, spec } = yield* fs.readFileString(join(directory, "config.json")).pipe(
    Effect.mapError(orUnreadable("config.json")),
    Effect.flatMap(readConfig),
    Effect.catchTag("SchemaError", (error) =>
      Effect.fail(
        unreadable(`config.json does not describe a model that runs here (${oneLine(error.message)})`)
      )
    )
  )
  const fault = faultOf(spec.model)
  if (fault !== undefined) return yield* unreadable(`config.json is wrong: ${fault}`)
  if (endTokenId < 0 || endTokenId >= spec.vocabularySize)
    return yield* unreadable(`eos_token_id ${endTokenId} is outside the vocabulary of ${spec.vocabularySize}`)
  return { endTokenId, spec }
})

/** Checks a model folder. Nothing is computed. */
export const load = Effect.fn("Model.load")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const { orUnreadable, unreadable } = failuresOf(directory)
  const { endTokenId, spec } = yield* configOf(directory)
  const weights = "model.safetensors"
  const { metadata, tensors } = yield* TensorFile.open(join(directory, weights)).pipe(
    Effect.catchTag("PlatformError", (error) => Effect.fail(orUnreadable(weights)(error)))
  )
  const parameters = fromHuggingFace(spec, tensors)
  if (typeof parameters === "string") return yield* unreadable(parameters)

  yield* fs.readFile(join(directory, "tokenizer.json")).pipe(Effect.mapError(orUnreadable("tokenizer.json")))
  const tokenizer = yield* Tokenizer.load(directory)
  if (tokenizer.vocabularySize !== spec.vocabularySize)
    return yield* unreadable(
      `tokenizer.json has ${tokenizer.vocabularySize} entries and the model's vocabulary ${spec.vocabularySize}, so it belongs to another model`
    )
  const provenance = provenanceOf(metadata)
  if (provenance === "damaged")
    return yield* unreadable(`${weights} has metadata on its training that cannot be read`)
  if (provenance !== undefined && provenance.tokenizer !== tokenizer.digest)
    return yield* unreadable("tokenizer.json is not the one that this model was trained with")
  return {
    directory,
    spec,
    parameters,
    codec: codecOf(tokenizer),
    endTokenId,
    tokenizer: tokenizer.digest,
    provenance
  } satisfies Loaded as Loaded
})

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim()

/** A model on an engine. */
export interface Opened {
  readonly model: Loaded
  readonly generator: TextGenerator
  /** The prepared `evaluate` program for batches of this many windows; prepared anew at each call. */
  readonly evaluating: (batch: number) => Effect.Effect<Prepared, BackendError>
}

/**
 * Opens a session with the model's weights on the run's engine; closed with the scope. `rows`: how many texts it writes at once, 1 unless
 * given. The key-value cache of each takes memory: keys and values of a whole context, for each layer.
 */
export const open = Effect.fn("Model.open")(function* (model: Loaded, rows = 1) {
  const backend = yield* Backend
  const scope = yield* Effect.scope
  const session = yield* backend.open(tensorsOf([widthProgram(model.spec, 1, rows)]))
  for (const { name, read } of model.parameters) {
    const values = yield* read
    yield* session.write(name, values)
    release(values)
  }
  const slots = yield* slotPrograms(session, model.spec, rows)
  const generator: TextGenerator = { ...sharedPosition(slots), slots }
  return {
    model,
    generator,
    evaluating: (batch) =>
      session.prepare(evaluate(model.spec, batch)).pipe(Effect.provideService(Scope.Scope, scope))
  } satisfies Opened as Opened
})

/** How a completion is drawn and where it ends. It ends with the document, too. */
export interface GenerateOptions extends Omit<SampleOptions, "stopToken"> {}

const promptOf = ({ codec, endTokenId }: Loaded, prompt: string | Prompt) =>
  typeof prompt === "string"
    ? Effect.map(
        codec.encode(prompt),
        (encoded): Prompt => ({ text: prompt, ids: encoded.length === 0 ? [endTokenId] : encoded })
      )
    : Effect.succeed(prompt)

/**
 * `count` completions of a prompt, written at once by as many rows as the session has, part by part as tokens come. Sample i, from 0, is the
 * completion of seed `seed + i`. An empty prompt begins a new document. A prompt with tokens of its own is taken as it is: that of a middle (see
 * `fillIn.ts`).
 */
export const samples = (
  { model, generator }: Opened,
  prompt: string | Prompt,
  options: GenerateOptions,
  count = 1
): Stream.Stream<Part, RunError | GuideImpossible | TokenizerMismatch> =>
  Stream.unwrap(
    Effect.map(promptOf(model, prompt), (prompt) =>
      samplesOf(generator, model.codec, prompt, { ...options, stopToken: model.endTokenId }, count)
    )
  )

/**
 * What the model writes after a prompt, piece by piece; it ends with the document. The same model, prompt and options give the same text. One
 * completion at a time on one session.
 */
export const generate = (
  opened: Opened,
  prompt: string,
  options: GenerateOptions
): Stream.Stream<string, RunError | GuideImpossible | TokenizerMismatch> =>
  samples(opened, prompt, options).pipe(
    Stream.map((part) => part.text),
    Stream.filter((text) => text !== "")
  )

/** The whole completion as one text, without the prompt. */
export const complete = (
  opened: Opened,
  prompt: string,
  options: GenerateOptions
): Effect.Effect<string, RunError | GuideImpossible | TokenizerMismatch> =>
  Stream.mkString(generate(opened, prompt, options))
