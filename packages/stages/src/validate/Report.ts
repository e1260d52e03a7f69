/**
 * The verdict on a model.
 *
 * Files: `report.md` (with `curve.svg` beside it), `report.json`, `junit.xml`, `completions.jsonl`.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"

export const Gate = Schema.Struct({
  gate: Schema.String,
  /** Null when the measurement could not be made here; `why` then says so. */
  value: Schema.NullOr(Schema.Finite),
  relation: Schema.Literals(["at-least", "at-most"]),
  threshold: Schema.Finite,
  passed: Schema.Boolean,
  why: Schema.String
})
export type Gate = typeof Gate.Type

export const Report = Artifact.kind({
  name: "report",
  version: 1,
  value: Schema.Struct({
    passed: Schema.Boolean,
    gates: Schema.Array(Gate),
    /** Nats per token on the validation split. */
    loss: Schema.Finite,
    perplexity: Schema.Finite,
    bitsPerByte: Schema.Finite,
    /** Share of tokens whose most likely successor was right, 0 to 1. */
    topOneAccuracy: Schema.Finite,
    /** Bits per byte of the Kneser-Ney baselines on the same split, by order: 2 is the bigram. */
    baselines: Schema.Array(Schema.Struct({ order: Schema.Int, bitsPerByte: Schema.Finite })),
    /** Share of completions whose cut text parses as C; gccShare null where there is no gcc. */
    parseShare: Schema.Finite,
    gccShare: Schema.NullOr(Schema.Finite),
    /** Longest run of tokens that a completion shares with the training text. */
    longestOverlap: Schema.Int
  })
})
