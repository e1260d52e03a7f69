/**
 * What a model family is: everything that the stages need to know of an architecture. `families.ts` has the list of families; nothing else
 * in the stages names one but `export`, which has each family's layout in other formats. A family is a config Schema (in a file of its own beside this one), its tensors, its forward pass and its layout
 * in Hugging Face's files.
 */
import type { Builder } from "@trainyard/backends/program/Builder"
import type { Tensor } from "@trainyard/backends/program/Program"
import type { Effect, Schema } from "effect"

/** A model with all its sizes. */
export interface Sized<Config> {
  readonly model: Config
  readonly vocabularySize: number
  /** Longest context, in tokens. */
  readonly sequenceLength: number
}

/** One trained tensor. Linear weights are [out, in]. */
export interface Parameter {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  /** Matrices decay; biases, gains and learned positions do not. */
  readonly decays: boolean
  /**
   * How many matrices of hidden layers lie in it, one below the other: 3 for packed queries, keys and values. 0 for embeddings, the output
   * layer and vectors. Muon updates each such matrix by itself, and leaves the others to AdamW.
   */
  readonly hiddenMatrices: number
  /** A constant, the deviation of normal values, or the root mean square of sinusoidal rows. */
  readonly initial:
    | { readonly constant: number }
    | { readonly deviation: number }
    | { readonly sinusoidal: number }
}

/** Dropout probabilities by place, while training. */
export interface Dropout {
  /** After the embedding. */
  readonly embedding: number
  /** After each attention layer's output projection. */
  readonly attention: number
  /** After each MLP's output projection. */
  readonly mlp: number
}

/** Name of the session's tensor that is used for a parameter: the parameter itself by default. */
export type Weights = (parameter: string) => string

/** How a forward pass is written. */
export interface ForwardOptions {
  /** Name of the program. */
  readonly name: string
  /** Windows side by side. */
  readonly batch: number
  /** Tokens of each window. */
  readonly length: number
  /** Whether there is dropout. */
  readonly training: boolean
  /**
   * `whole`: each position sees those before it in its window. `documents`: only those of its own document, whose start is an input.
   * `cached`: it sees the key-value cache too, which holds the session's state.
   */
  readonly attention: "whole" | "documents" | "cached"
  /**
   * Rows of the key-value cache with `cached`: texts are then at positions of their own, and each text's row is an input. Without it the cache
   * has a row for each text, and all are at one position.
   */
  readonly slots?: number | undefined
  readonly weights: Weights
}

export interface Forward {
  readonly builder: Builder
  /** Output of the final norm, [B, T, C]. */
  readonly x: Tensor
  /** The output layer's weight, [V, C]: the embedding's where they are tied. */
  readonly output: Tensor
}

/** A tensor of model.safetensors. */
export interface Published {
  readonly name: string
  /** As in the parameter, which is [rows, columns]. */
  readonly shape: ReadonlyArray<number>
  /** Whether the file holds the transpose. */
  readonly transposed: boolean
}

/** A config.json that was read. */
export interface ReadConfig<Config> {
  readonly spec: Sized<Config>
  readonly endTokenId: number
}

/** A family's layout in Hugging Face's files. */
export interface Layout<Config> {
  /** Class of transformers that opens the model, such as `GPT2LMHeadModel`. */
  readonly className: (config: Config) => string
  /** Value of `model_type` in config.json, such as `gpt2`. */
  readonly modelType: (config: Config) => string
  /** Prefix of names that files made elsewhere may leave out. */
  readonly prefix: string
  /** The tensors of model.safetensors, in order. One that is no parameter is written as zeros. */
  readonly published: (spec: Sized<Config>) => ReadonlyArray<Published>
  readonly configJson: (spec: Sized<Config>, endTokenId: number) => Readonly<Record<string, unknown>>
  /** Decodes config.json; fails where the programs here would not compute the same. */
  readonly readConfig: (json: unknown) => Effect.Effect<ReadConfig<Config>, Schema.SchemaError>
}

/** A model family. `Config` is the decoded config of its models. */
export interface Family<Config> {
  /** Value of the config's `family`. */
  readonly name: string
  /** Its name for people, such as `GPT-2`. */
  readonly title: (config: Config) => string
  /** Why these sizes are invalid, in a clause; undefined when they are valid. */
  readonly faultOf: (config: Config) => string | undefined
  /** The sizes and settings in a model card and in `inspect`: label and value. */
  readonly settings: (spec: Sized<Config>) => ReadonlyArray<readonly [label: string, value: string]>
  /** The sizes that weights depend on, by name: equal for two configs whose weights fit each other. */
  readonly sizes: (config: Config) => Readonly<Record<string, number | boolean>>
  readonly dropout: (config: Config) => Dropout
  /** All parameters, in the order of the published file. */
  readonly parameters: (spec: Sized<Config>) => ReadonlyArray<Parameter>
  /** Names of the final norm's parameters, in which temperature scaling is published. */
  readonly finalNorm: ReadonlyArray<string>
  /** Name of the parameter with one row for each position; undefined where positions need none, and the context may be of any length. */
  readonly positions: string | undefined
  /** Whether the forward pass has `attention: "documents"`. */
  readonly masksDocuments: boolean
  /** Initial weights with an induction head, where the family has them. */
  readonly induction?:
    | {
        /** Why a model cannot begin so, in a clause; undefined when it can. */
        readonly faultOf: (spec: Sized<Config>) => string | undefined
        /** Changes the random initial values of a parameter in place. */
        readonly change: (spec: Sized<Config>, seed: number) => (name: string, values: Float32Array) => void
      }
    | undefined
  readonly forward: (spec: Sized<Config>, options: ForwardOptions) => Forward
  readonly layout: Layout<Config>
}
