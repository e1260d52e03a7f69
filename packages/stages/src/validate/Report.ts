/**
 * The verdict on a model.
 *
 * Files: `report.md` (with `curve.svg` beside it), `report.json`, `junit.xml`, `completions.jsonl`.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"
import { Verdict } from "./parseC.ts"

export const Gate = Schema.Struct({
  /** What was measured, for example "bits-per-byte". */
  gate: Schema.String,
  /** Null when the measurement could not be made here; `why` then says so, and the gate fails. */
  value: Schema.NullOr(Schema.Finite),
  relation: Schema.Literals(["at-least", "at-most"]),
  threshold: Schema.Finite,
  passed: Schema.Boolean,
  /** One sentence: the value beside its threshold, or why there is none. */
  why: Schema.String
})
export type Gate = typeof Gate.Type

/** How well something predicts the documents that were measured. */
export const Prediction = Schema.Struct({
  /** Nats per token, end tokens included. */
  loss: Schema.Finite,
  /** The exponential of the loss. */
  perplexity: Schema.Finite,
  /** Bits for all tokens, divided by the bytes of the documents' text. */
  bitsPerByte: Schema.Finite,
  /** Share of tokens that were predicted as the most likely, 0 to 1. */
  topOneAccuracy: Schema.Finite
})
export type Prediction = typeof Prediction.Type

/** How well the model and the Kneser-Ney baselines predict the same documents of a split. */
export const SplitFigures = Schema.Struct({
  ...Prediction.fields,
  /** How many were measured, and how many the split has. */
  documents: Schema.Int,
  ofDocuments: Schema.Int,
  tokens: Schema.Int,
  bytes: Schema.Int,
  /** Order 2 is the bigram. */
  baselines: Schema.Array(Schema.Struct({ order: Schema.Int, ...Prediction.fields }))
})
export type SplitFigures = typeof SplitFigures.Type

/** Bits per byte over documents of one kind, for the model and for each baseline in the order of the report's. */
export const KindFigures = Schema.Struct({
  kind: Schema.String,
  bytes: Schema.Int,
  bitsPerByte: Schema.Finite,
  baselines: Schema.Array(Schema.Finite)
})
export type KindFigures = typeof KindFigures.Type

/** One completion, as a line of `completions.jsonl`. */
export const Completion = Schema.Struct({
  prompt: Schema.String,
  /** Path of the document of the judged split that the prompt was taken from; null for a prompt of the config. */
  document: Schema.NullOr(Schema.String),
  completion: Schema.String,
  tokens: Schema.Int,
  /** Whether the model ended the text itself; otherwise the token limit did. */
  ended: Schema.Boolean,
  verdict: Verdict,
  /** The first thing in it that is not C. */
  error: Schema.NullOr(Schema.String),
  /** What gcc says; null where there is no gcc. */
  gcc: Schema.NullOr(Schema.Struct({ passes: Schema.Boolean, error: Schema.NullOr(Schema.String) })),
  /** Longest run of its tokens that is in the training text as well, and that run as text. */
  overlap: Schema.Struct({ tokens: Schema.Int, text: Schema.String })
})
export type Completion = typeof Completion.Type

export const Report = Artifact.kind({
  name: "report",
  version: 2,
  view: () => import("./view.ts"),
  value: Schema.Struct({
    passed: Schema.Boolean,
    gates: Schema.Array(Gate),
    /** What the gates go by and the figures are over: the test split, or the validation split where the dataset has no other. */
    split: Schema.Literals(["test", "validation"]),
    ...SplitFigures.fields,
    /** The same on the validation split, by which training chose; null where the figures above are that. */
    validation: Schema.NullOr(SplitFigures),
    /** Longest context in tokens, and the least that a token gets that has so much before it in its document. */
    context: Schema.Struct({ longest: Schema.Int, least: Schema.Int }),
    /** By kind of document, most bytes first. */
    kinds: Schema.Array(KindFigures),
    /** Completions by verdict. */
    completions: Schema.Struct({
      total: Schema.Int,
      parses: Schema.Int,
      errors: Schema.Int,
      unfinished: Schema.Int
    }),
    /** Share of completions whose cut text parses as C; null when there are none. */
    parseShare: Schema.NullOr(Schema.Finite),
    /** The same for what the documents really say after the prompts taken from them: what a perfect model would get. */
    realParseShare: Schema.NullOr(Schema.Finite),
    /** Share of completions that gcc takes; null where there is no gcc, or no completion. */
    gccShare: Schema.NullOr(Schema.Finite),
    /** Which gcc, or why there was none. */
    gcc: Schema.String,
    /** Longest run of tokens that a completion shares with the training text; null when there are no completions. */
    longestOverlap: Schema.NullOr(Schema.Int)
  })
})
export type ReportValue = Artifact.ValueOf<typeof Report>
