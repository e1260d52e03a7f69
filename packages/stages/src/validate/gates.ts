/**
 * Gates: thresholds that a model must meet for a run to succeed. Each is a key of the stage's config; null sets no gate. A gate that is
 * set and cannot be measured fails, and says why.
 */
import { Effect, Schema } from "effect"
import type { Interval } from "./bootstrap.ts"
import type { Adaptive, Gate, Yardstick, YardstickName } from "./Report.ts"

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
  /** Highest ratio of the model's bits per byte to those of primed PPMd. `null` asks for nothing. */
  ratioToPpmdAtMost: threshold,
  /** Lowest share of documents that the model must need fewer bits for than primed PPMd, 0 to 1. `null` asks for nothing. */
  betterThanPpmdShareAtLeast: threshold,
  /** Highest ratio of adaptive prediction's bits per byte to those of primed PPMd. `null` asks for nothing. Needs `adaptive`. */
  adaptiveRatioToPpmdAtMost: threshold,
  /** Lowest share of completions that must parse, 0 to 1. `null` asks for nothing. */
  parseShareAtLeast: threshold,
  /** Lowest share of completions that must compile, 0 to 1. `null` asks for nothing. */
  compileShareAtLeast: threshold,
  /**
   * Longest run of tokens that a completion may share with the training split. `null` asks for nothing.
   * @unit tokens
   */
  longestOverlapAtMost: threshold
}
const Thresholds = Schema.Struct(thresholds)
export type Thresholds = typeof Thresholds.Type

/** Gates that need a language, where the config chooses none; undefined when there are none. */
export const withoutLanguage = (asked: Thresholds): string | undefined => {
  const set = (["parseShareAtLeast", "compileShareAtLeast"] as const).filter((key) => asked[key] !== null)
  return set.length === 0
    ? undefined
    : `${set.join(" and ")} cannot be measured, because language is "none". Choose a language, such as "c", or take the gate out.`
}

/** Gates that need PPMd or adaptive prediction, where the config measures neither; undefined when there are none. */
export const withoutYardstick = (
  asked: Thresholds & { readonly yardsticks: ReadonlyArray<YardstickName>; readonly adaptive: boolean }
): string | undefined => {
  const set = (
    ["ratioToPpmdAtMost", "betterThanPpmdShareAtLeast", "adaptiveRatioToPpmdAtMost"] as const
  ).filter((key) => asked[key] !== null)
  if (set.length > 0 && !asked.yardsticks.includes("ppmd"))
    return `${set.join(" and ")} cannot be measured, because yardsticks has no "ppmd". Add it, or take the gate out.`
  return asked.adaptiveRatioToPpmdAtMost !== null && !asked.adaptive
    ? "adaptiveRatioToPpmdAtMost cannot be measured, because adaptive is false. Set adaptive, or take the gate out."
    : undefined
}

/** What the gates compare. */
export interface Figures {
  readonly bitsPerByte: number
  readonly perplexity: number
  readonly topOneAccuracy: number
  readonly baselines: ReadonlyArray<{ readonly order: number; readonly bitsPerByte: number }>
  readonly countedDocuments: number
  readonly yardsticks: ReadonlyArray<Yardstick>
  readonly notMeasured: ReadonlyArray<{ readonly name: string; readonly why: string }>
  readonly adaptive: Adaptive | null
  readonly parseShare: number | null
  readonly compileShare: number | null
  /** Name of the language that completions were checked as; null for none. */
  readonly language: string | null
  /** Name of the compiler, or why none was used. */
  readonly compiler: string
  readonly longestOverlap: number | null
}

/** Names of what the model is compared with, as tables show them. */
export const yardstickName = (name: YardstickName | "model"): string =>
  ({
    model: "the model alone",
    "ngram-cache": "n-gram with a cache of the document",
    ppmd: "PPMd, primed",
    xz: "xz -9e, primed",
    zstd: "zstd -22 --long, primed"
  })[name]

/** A number as the gates show it: four significant digits, whole numbers as they are. */
export const figure = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)))

/** "1.23 (1.10 to 1.38)"; without an interval the figure alone. */
export const withInterval = (value: number, interval: Interval | null, digits: number): string =>
  interval === null
    ? value.toFixed(digits)
    : `${value.toFixed(digits)} (${interval.low.toFixed(digits)} to ${interval.high.toFixed(digits)})`

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

const beatsBaseline = (figures: Figures, order: number): Gate => {
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

const noLanguage = "no language is chosen: give validate a language"
const noCompletions = "there are no completions: give prompts, or documentPrompts above 0"

type Add = (
  gate: string,
  value: number | null,
  relation: Gate["relation"],
  threshold: number | null,
  missing?: string
) => void

const addPpmd = (figures: Figures, asked: Thresholds, add: Add) => {
  const ppmd = figures.yardsticks.find(({ name }) => name === "ppmd")
  const whyOf = (missing: string) => figures.notMeasured.find(({ name }) => name === missing)?.why
  const noPpmd = whyOf("ppmd") ?? "PPMd is not among the yardsticks"
  add("ratio-to-ppmd", ppmd?.ratio.value ?? null, "at-most", asked.ratioToPpmdAtMost, noPpmd)
  const better =
    ppmd === undefined || ppmd.modelBetter === null ? null : ppmd.modelBetter / figures.countedDocuments
  add("better-than-ppmd-share", better, "at-least", asked.betterThanPpmdShareAtLeast, noPpmd)
  add(
    "adaptive-ratio-to-ppmd",
    figures.adaptive?.against.find(({ name }) => name === "ppmd")?.ratio.value ?? null,
    "at-most",
    asked.adaptiveRatioToPpmdAtMost,
    whyOf("adaptive") ?? noPpmd
  )
}

/** Compares every gate that is set. */
export const compareAll = (figures: Figures, asked: Thresholds): ReadonlyArray<Gate> => {
  const gates = [...new Set(asked.baselinesToBeat)].map((order) => beatsBaseline(figures, order))
  const add: Add = (gate, value, relation, threshold, missing = "it is not finite") => {
    if (threshold !== null) gates.push(compare(gate, value, relation, threshold, missing))
  }
  add("bits-per-byte", figures.bitsPerByte, "at-most", asked.bitsPerByteAtMost)
  add("perplexity", figures.perplexity, "at-most", asked.perplexityAtMost)
  add("top-one-accuracy", figures.topOneAccuracy, "at-least", asked.topOneAccuracyAtLeast)
  addPpmd(figures, asked, add)
  const unparsed = figures.language === null ? noLanguage : noCompletions
  add("parse-share", figures.parseShare, "at-least", asked.parseShareAtLeast, unparsed)
  add(
    "compile-share",
    figures.compileShare,
    "at-least",
    asked.compileShareAtLeast,
    figures.parseShare === null ? unparsed : figures.compiler
  )
  add("longest-overlap", figures.longestOverlap, "at-most", asked.longestOverlapAtMost, noCompletions)
  return gates
}

/** The result of all gates: a sentence when one failed, undefined when all passed. */
export const sentence = (gates: ReadonlyArray<Gate>): string | undefined => {
  const failed = gates.filter((gate) => !gate.passed)
  if (failed.length === 0) return undefined
  const list = failed.map((gate) => `${gate.gate} (${gate.why})`).join("; ")
  return `${failed.length} of ${gates.length} validation gates failed: ${list}.`
}
