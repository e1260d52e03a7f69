/**
 * Gates: thresholds that a model must keep for a run to succeed. Each is a key of the stage's config; null asks for nothing. A
 * gate that was asked for and cannot be measured fails, and says why.
 */
import { Effect, Schema } from "effect"
import type { Gate } from "./Report.ts"

const threshold = Schema.NullOr(Schema.Finite).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null)))
export const order = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 9 })))

/** Config keys of the gates. */
export const thresholds = {
  /** Orders of the n-gram baselines that the model must beat in bits per byte. */
  baselinesToBeat: Schema.Array(order).pipe(Schema.withDecodingDefaultKey(Effect.succeed([2]))),
  /**
   * Highest bits per byte that passes. `null` asks for nothing.
   * @unit bits per byte
   */
  bitsPerByteAtMost: threshold,
  /** Highest perplexity (per token) that passes. `null` asks for nothing. */
  perplexityAtMost: threshold,
  /** Lowest top-1 accuracy that passes, 0 to 1. `null` asks for nothing. */
  topOneAccuracyAtLeast: threshold,
  /** Lowest share of completions that must parse, 0 to 1. `null` asks for nothing. */
  parseShareAtLeast: threshold,
  /** Lowest share of completions that must compile with gcc, 0 to 1. `null` asks for nothing. */
  gccShareAtLeast: threshold,
  /**
   * Longest run of tokens that a completion may share with the training split. `null` asks for nothing.
   * @unit tokens
   */
  longestOverlapAtMost: threshold
}
const Thresholds = Schema.Struct(thresholds)
export type Thresholds = typeof Thresholds.Type

/** What the gates look at. */
export interface Figures {
  readonly bitsPerByte: number
  readonly perplexity: number
  readonly topOneAccuracy: number
  readonly baselines: ReadonlyArray<{ readonly order: number; readonly bitsPerByte: number }>
  readonly parseShare: number | null
  readonly gccShare: number | null
  /** Which gcc, or why there was none. */
  readonly gcc: string
  readonly longestOverlap: number | null
}

/** A number as the gates show it: four significant digits, whole numbers as they are. */
export const figure = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)))

const relations = { "at-least": "at least", "at-most": "at most" } as const

const compare = (
  gate: string,
  value: number | null,
  relation: Gate["relation"],
  threshold: number,
  missing: string
): Gate => {
  const asked = `${relations[relation]} ${figure(threshold)}`
  if (value === null || !Number.isFinite(value)) {
    return {
      gate,
      value: null,
      relation,
      threshold,
      passed: false,
      why: `not measured (${missing}), ${asked} asked for`
    }
  }
  const passed = relation === "at-least" ? value >= threshold : value <= threshold
  return { gate, value, relation, threshold, passed, why: `${figure(value)}, ${asked} asked for` }
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

export const baselineName = (order: number): string =>
  ["unigram", "bigram", "trigram"][order - 1] ?? `${order}-gram`

const beats = (figures: Figures, order: number): Gate => {
  const gate = `bits-per-byte-below-${baselineName(order)}`
  const baseline = figures.baselines.find((each) => each.order === order)
  if (baseline === undefined) {
    return {
      gate,
      value: null,
      relation: "at-most",
      threshold: 0,
      passed: false,
      why: `the ${baselineName(order)} baseline was not measured`
    }
  }
  const passed = figures.bitsPerByte < baseline.bitsPerByte
  return {
    gate,
    value: figures.bitsPerByte,
    relation: "at-most",
    threshold: baseline.bitsPerByte,
    passed,
    why: `${figure(figures.bitsPerByte)}, below the ${baselineName(order)}'s ${figure(baseline.bitsPerByte)} asked for`
  }
}

const noCompletions = "there are no completions: give prompts, or documentPrompts above 0"

/** Every gate that was asked for, compared. */
export const judge = (figures: Figures, asked: Thresholds): ReadonlyArray<Gate> => {
  const gates = [...new Set(asked.baselinesToBeat)].map((order) => beats(figures, order))
  const add = (
    gate: string,
    value: number | null,
    relation: Gate["relation"],
    threshold: number | null,
    missing = "it is not finite"
  ) => {
    if (threshold !== null) gates.push(compare(gate, value, relation, threshold, missing))
  }
  add("bits-per-byte", figures.bitsPerByte, "at-most", asked.bitsPerByteAtMost)
  add("perplexity", figures.perplexity, "at-most", asked.perplexityAtMost)
  add("top-one-accuracy", figures.topOneAccuracy, "at-least", asked.topOneAccuracyAtLeast)
  add("parse-share", figures.parseShare, "at-least", asked.parseShareAtLeast, noCompletions)
  add(
    "gcc-share",
    figures.gccShare,
    "at-least",
    asked.gccShareAtLeast,
    figures.parseShare === null ? noCompletions : figures.gcc
  )
  add("longest-overlap", figures.longestOverlap, "at-most", asked.longestOverlapAtMost, noCompletions)
  return gates
}

/** The stage's verdict: a sentence when a gate failed, undefined when all passed. */
export const sentence = (gates: ReadonlyArray<Gate>): string | undefined => {
  const failed = gates.filter((gate) => !gate.passed)
  if (failed.length === 0) return undefined
  const list = failed.map((gate) => `${gate.gate} (${gate.why})`).join("; ")
  return `${failed.length} of ${gates.length} validation gates failed: ${list}.`
}
