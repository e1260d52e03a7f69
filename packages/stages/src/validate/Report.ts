/**
 * What validation measured, and whether the model passes its gates.
 *
 * Files: `report.md` (with `curve.svg` beside it), `report.json`, `baseline.json` (for later reports to be compared with: see `Baseline`),
 * `junit.xml`, `completions.jsonl`, and `adaptive.json` where the weights of adaptive prediction were fitted (see `adaptive/FittedWeights`).
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"
import { Status } from "../languages/Language.ts"

export const Gate = Schema.Struct({
  /** What was measured, for example "bits-per-byte". */
  gate: Schema.String,
  /** Null when the measurement could not be made here; `why` then says so, and the gate fails. */
  value: Schema.NullOr(Schema.Finite),
  relation: Schema.Literals(["at-least", "at-most"]),
  threshold: Schema.Finite,
  passed: Schema.Boolean,
  /** One sentence: the value and its threshold, or why there is no value. */
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

/** The middle 95 % of a figure by bootstrap over the documents; null where there is one document. */
export const Interval = Schema.NullOr(Schema.Struct({ low: Schema.Finite, high: Schema.Finite }))

/** Bits of the model divided by those of something else over the same documents: below 1 the model is better. */
export const Ratio = Schema.Struct({ value: Schema.Finite, interval: Interval })

/** Documents that have a run of so many tokens in common with the training text, and the model's figure over the others. */
export const SharedWithTraining = Schema.Struct({
  tokens: Schema.Int,
  documents: Schema.Int,
  /** Null where none is left. */
  without: Schema.NullOr(
    Schema.Struct({ documents: Schema.Int, bitsPerByte: Schema.Finite, interval: Interval })
  )
})
export type SharedWithTraining = typeof SharedWithTraining.Type

/** How well the model and the Kneser-Ney baselines predict the same documents of a split. */
export const SplitFigures = Schema.Struct({
  ...Prediction.fields,
  /** Of the bits per byte. */
  interval: Interval,
  /** How many were measured, and how many the split has. */
  documents: Schema.Int,
  ofDocuments: Schema.Int,
  tokens: Schema.Int,
  bytes: Schema.Int,
  /** Order 2 is the bigram. */
  baselines: Schema.Array(
    Schema.Struct({ order: Schema.Int, ...Prediction.fields, interval: Interval, ratio: Ratio })
  ),
  /** Absent in reports from before it was measured. */
  shared: Schema.optionalKey(SharedWithTraining)
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

/** What the model is compared with beside the Kneser-Ney baselines. */
export const YardstickName = Schema.Literals(["ngram-cache", "ppmd", "xz", "zstd"])
export type YardstickName = typeof YardstickName.Type

/** One of them, over the documents that were measured. */
export const Yardstick = Schema.Struct({
  name: YardstickName,
  bitsPerByte: Schema.Finite,
  interval: Interval,
  /** The model's bits divided by this one's. */
  ratio: Ratio,
  /** Bits per byte of the median document; null where documents were not measured one by one. */
  median: Schema.NullOr(Schema.Finite),
  /** Documents that the model needs fewer bits for; null where they were not measured one by one. */
  modelBetter: Schema.NullOr(Schema.Int)
})
export type Yardstick = typeof Yardstick.Type

/** The mixture of the model, the training text's n-grams, and what the document so far contains. */
export const Adaptive = Schema.Struct({
  bitsPerByte: Schema.Finite,
  interval: Interval,
  /** Bits per byte of the median document. */
  median: Schema.NullOr(Schema.Finite),
  /** Documents and tokens of the validation split that its weights were fitted to. */
  fittedDocuments: Schema.Int,
  fittedTokens: Schema.Int,
  /** How fast the weights adapt within a document. */
  rate: Schema.Finite,
  /** Its bits divided by those of the model and of each yardstick, and for how many documents it needs fewer. */
  against: Schema.Array(
    Schema.Struct({
      name: Schema.Union([Schema.Literal("model"), YardstickName]),
      ratio: Ratio,
      better: Schema.NullOr(Schema.Int)
    })
  )
})
export type Adaptive = typeof Adaptive.Type

/** How well one kind of lexical element is predicted, over the documents in the language. */
export const LexicalFigures = Schema.Struct({
  kind: Schema.Literals([
    "keyword",
    "punctuation",
    "identifier seen before in the document",
    "identifier not seen before",
    "literal",
    "comment",
    "white space"
  ]),
  bytes: Schema.Int,
  /** Share of the bytes of these documents, 0 to 1. */
  share: Schema.Finite,
  /** Bits per byte by predictor: "model", "5-gram", "ngram-cache", "adaptive". */
  bitsPerByte: Schema.Record(Schema.String, Schema.Finite)
})
export type LexicalFigures = typeof LexicalFigures.Type

/** Figures of the completions that were written in one way. */
export const Generation = Schema.Struct({
  parses: Schema.Int,
  /** Of the share that parses; null when there are no completions. */
  parseInterval: Interval,
  /** How many compile; null where no compiler is available. */
  compiles: Schema.NullOr(Schema.Int),
  compileInterval: Interval,
  /** Top-level items that end within a completion, on average. */
  finishedItems: Schema.Finite,
  /** Longest run of tokens that a completion shares with the training text. */
  longestOverlap: Schema.Int
})

/** Free and guided completions of the same prompts. */
export const Guided = Schema.Struct({
  prompts: Schema.Int,
  /** Prompts that cannot be guided: they are counted as completions that do not parse. */
  notGuided: Schema.Int,
  free: Generation,
  guided: Generation,
  /** The documents' own text after the prompts taken from them, cut like free completions: how many, and how many of them compile. */
  real: Schema.NullOr(Schema.Struct({ total: Schema.Int, compiles: Schema.NullOr(Schema.Int) }))
})

/** A mean over lines, with its interval over documents. */
const LineFigure = Schema.Struct({ value: Schema.Finite, interval: Interval })

/** How well left-out lines of documents are filled in. */
export const FillInTheMiddle = Schema.Struct({
  lines: Schema.Int,
  documents: Schema.Int,
  /** Share of the lines that were written exactly and ended, 0 to 1. */
  exactMatch: LineFigure,
  /** 1 less the edit distance by the length of the longer text, 0 to 1. */
  editSimilarity: LineFigure,
  /** Share of the texts that the model ended itself, 0 to 1. */
  ended: Schema.Finite
})
export type FillInTheMiddle = typeof FillInTheMiddle.Type

/** One completion, as a line of `completions.jsonl`. */
export const Completion = Schema.Struct({
  prompt: Schema.String,
  /** Path of the document of the measured split that the prompt was taken from; null for a prompt of the config. */
  document: Schema.NullOr(Schema.String),
  completion: Schema.String,
  tokens: Schema.Int,
  /** How it ended: by the model, at the end of an item, because it repeated itself, or at the token limit. */
  ended: Schema.Literals(["document", "items", "loop", "limit"]),
  /** What came of parsing it; null where no language is chosen. */
  status: Schema.NullOr(Status),
  /** Its first syntax error. */
  error: Schema.NullOr(Schema.String),
  /** Whether it compiles; null where no compiler is available. */
  compile: Schema.NullOr(Schema.Struct({ passes: Schema.Boolean, error: Schema.NullOr(Schema.String) })),
  /** The guided completion of the same prompt; null where none was written. */
  guided: Schema.NullOr(Schema.String),
  /** Longest run of its tokens that is in the training text as well, and that run as text. */
  overlap: Schema.Struct({ tokens: Schema.Int, text: Schema.String })
})
export type Completion = typeof Completion.Type

export const Report = Artifact.kind({
  name: "report",
  version: 7,
  view: () => import("./view.ts"),
  value: Schema.Struct({
    passed: Schema.Boolean,
    gates: Schema.Array(Gate),
    /** The split that the figures and the gates are over: the test split, or the validation split where the dataset has no other. */
    split: Schema.Literals(["test", "validation"]),
    ...SplitFigures.fields,
    /** The same on the validation split, by which training chose; null where the figures above are that. */
    validation: Schema.NullOr(SplitFigures),
    /** Longest context in tokens, and the least that a token gets that has so much before it in its document. */
    context: Schema.Struct({ longest: Schema.Int, least: Schema.Int }),
    /** Bits per byte of the median document, for the model. */
    median: Schema.NullOr(Schema.Finite),
    /** Documents with text among those that were measured: those that are counted one by one. */
    countedDocuments: Schema.Int,
    yardsticks: Schema.Array(Yardstick),
    /** What was asked for and could not be measured, and why. */
    notMeasured: Schema.Array(
      Schema.Struct({
        name: Schema.Union([YardstickName, Schema.Literals(["adaptive", "lexical"])]),
        why: Schema.String
      })
    ),
    /** Null where it was not asked for, or not measured. A prediction of its own: no figure of the model contains it. */
    adaptive: Schema.NullOr(Adaptive),
    /** By kind of lexical element; empty without a language that tells them apart. */
    lexical: Schema.Array(LexicalFigures),
    /** By kind of document, most bytes first. */
    kinds: Schema.Array(KindFigures),
    /** Name of the language that completions are checked as; null for none. */
    language: Schema.NullOr(Schema.String),
    /** Completions by what came of parsing them. Without a language only the total is above 0. */
    completions: Schema.Struct({
      total: Schema.Int,
      parses: Schema.Int,
      errors: Schema.Int,
      unfinished: Schema.Int,
      /** Of the unfinished ones, how many repeated themselves; the others met the token limit or ended the document. */
      loops: Schema.Int
    }),
    /** Prompts from documents: how many were asked for and found, and of these how many are heads alone; the others have lines of the body. */
    documentPrompts: Schema.Struct({
      asked: Schema.Int,
      found: Schema.Int,
      heads: Schema.Int,
      /** Heads and cuts that were looked at and left out, because the document needs too many tokens to end the item. */
      tooLong: Schema.Int
    }),
    /** Share of completions that parse, each up to its last complete item; null when there are none, or no language is chosen. */
    parseShare: Schema.NullOr(Schema.Finite),
    /** The same for the documents' own text after the prompts taken from them: what a perfect model would reach. */
    realParseShare: Schema.NullOr(Schema.Finite),
    /** Share of completions that compile; null where no compiler is available, or no completion. */
    compileShare: Schema.NullOr(Schema.Finite),
    /** Name and version of the compiler, or why none was used. */
    compiler: Schema.String,
    /** Null where no guided completions were asked for, or the language has no grammar. No gate depends on it. */
    guided: Schema.NullOr(Guided),
    /** Longest run of tokens that a completion shares with the training text; null when there are no completions. */
    longestOverlap: Schema.NullOr(Schema.Int),
    /** Absent where it was not asked for, the tokenizer has no tokens for it, or the split has no lines. No gate depends on it. */
    fillInTheMiddle: Schema.optionalKey(FillInTheMiddle)
  }),
  metrics: ({ bitsPerByte, parseShare, perplexity }) => [
    { label: "bits per byte", value: bitsPerByte, better: "lower" },
    { label: "perplexity", value: perplexity, better: "lower" },
    { label: "parse share", value: parseShare, better: "higher" }
  ]
})
export type ReportValue = Artifact.ValueOf<typeof Report>
