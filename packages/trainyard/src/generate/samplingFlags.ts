/** Flags that say how text is drawn and where it ends: those of `trainyard generate` that say nothing of where to compute. */

import { defaultRedeclarationPenalty, guidance } from "@trainyard/stages/generate/Guide"
import type { GenerateOptions, Loaded } from "@trainyard/stages/generate/Model"
import { dryDefaults } from "@trainyard/stages/generate/Sampling"
import { builtIn, named } from "@trainyard/stages/languages/builtIn"
import { Effect, Option } from "effect"
import { Flag } from "effect/cli"

const mostSamples = 1024
const mostAlternatives = 20

const wholeAbove0 = (name: string) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (count) => count > 0,
      () => "a whole number above 0"
    ),
    Flag.withMetavar("N")
  )

const numberIn = (name: string, allowed: (value: number) => boolean, expected: string) =>
  Flag.Finite(name).pipe(
    Flag.filter(allowed, () => expected),
    Flag.withMetavar("X")
  )

const languages = builtIn.map(({ name }) => name)
/** Those with a grammar that generation can follow. */
const guided = builtIn.filter(({ grammar }) => grammar !== undefined).map(({ name }) => name)

/** How each token is drawn. */
const drawing = {
  temperature: Flag.Finite("temperature").pipe(
    Flag.filter(
      (temperature) => temperature >= 0,
      () => "0 or more"
    ),
    Flag.withMetavar("T"),
    Flag.withDescription("Sampling temperature; 0 always takes the most likely token"),
    Flag.withDefault(0.8)
  ),
  topK: wholeAbove0("top-k").pipe(
    Flag.withDescription("Sample from this many of the most likely tokens"),
    Flag.withDefault(40)
  ),
  topP: numberIn("top-p", (p) => p > 0 && p <= 1, "a number above 0, at most 1").pipe(
    Flag.withDescription(
      "Sample from the fewest most likely tokens with a total probability of X or more; 1 keeps all"
    ),
    Flag.withDefault(1)
  ),
  minP: numberIn("min-p", (p) => p >= 0 && p <= 1, "a number from 0 to 1").pipe(
    Flag.withDescription(
      "Leave out tokens with less than X times the probability of the most likely one; 0 keeps all"
    ),
    Flag.withDefault(0)
  ),
  repetitionPenalty: numberIn("repetition-penalty", (penalty) => penalty > 0, "a number above 0").pipe(
    Flag.withDescription("Make tokens of the text so far less likely where X is above 1; 1 changes nothing"),
    Flag.withDefault(1)
  ),
  dryMultiplier: numberIn("dry-multiplier", (multiplier) => multiplier >= 0, "a number of 0 or more").pipe(
    Flag.withDescription(
      "DRY: make tokens less likely that go on with a repetition, by X for the first beyond the allowed length; 0 changes nothing"
    ),
    Flag.withDefault(0)
  ),
  dryBase: numberIn("dry-base", (base) => base >= 1, "a number of 1 or more").pipe(
    Flag.withDescription(
      `DRY: X times as much with each token that is repeated. Default: ${dryDefaults.base}`
    ),
    Flag.optional
  ),
  dryAllowedLength: wholeAbove0("dry-allowed-length").pipe(
    Flag.withDescription(`DRY: how many tokens may be repeated. Default: ${dryDefaults.allowedLength}`),
    Flag.optional
  ),
  seed: Flag.Int("seed").pipe(
    Flag.withMetavar("S"),
    Flag.withDescription(
      "Random seed: the same seed gives the same text. Sample i, from 1, has seed S + i - 1"
    ),
    Flag.withDefault(1)
  )
}

/** Where a completion ends, and what is shown of it. */
const ending = {
  maxTokens: wholeAbove0("max-tokens").pipe(
    Flag.withDescription("Maximum number of tokens to generate"),
    Flag.withDefault(128)
  ),
  samples: Flag.Int("samples").pipe(
    Flag.withAlias("n"),
    Flag.filter(
      (count) => count >= 1 && count <= mostSamples,
      () => `a whole number from 1 to ${mostSamples}`
    ),
    Flag.withMetavar("N"),
    Flag.withDescription("Write this many completions of the prompt at once, as one batch"),
    Flag.withDefault(1)
  ),
  stop: Flag.String("stop").pipe(
    Flag.filter(
      (text) => text !== "",
      () => "a text of at least one character"
    ),
    Flag.withMetavar("TEXT"),
    Flag.withDescription("End before this text, which is not printed; repeatable"),
    Flag.atLeast(0)
  ),
  items: wholeAbove0("items").pipe(
    Flag.withDescription("End when N top-level items are complete, such as functions: see --language"),
    Flag.optional
  ),
  language: Flag.Literals("language", languages).pipe(
    Flag.withDescription("Language whose items --items counts. Default: c"),
    Flag.optional
  ),
  grammar: Flag.Literals("grammar", guided).pipe(
    Flag.withDescription(
      "Write only what parses in this language, and end it whole within --max-tokens: the text is one of complete top-level items"
    ),
    Flag.optional
  ),
  redeclarationPenalty: numberIn(
    "redeclaration-penalty",
    (penalty) => penalty >= 0,
    "a number of 0 or more"
  ).pipe(
    Flag.withDescription(
      `With --grammar: make tokens less likely that declare a name again in its block, by X of their logits; 0 changes nothing. Default: ${defaultRedeclarationPenalty}`
    ),
    Flag.optional
  ),
  noLoopStop: Flag.Boolean("no-loop-stop").pipe(
    Flag.withoutNegation,
    Flag.withDescription("Write on when the text repeats itself: the same run of tokens again and again"),
    Flag.withDefault(false)
  ),
  logprobs: Flag.Int("logprobs").pipe(
    Flag.filter(
      (count) => count >= 0 && count <= mostAlternatives,
      () => `a whole number from 0 to ${mostAlternatives}`
    ),
    Flag.withMetavar("N"),
    Flag.withDescription("With --json: each token's log-probability, and the N most likely tokens there"),
    Flag.optional
  )
}

export const samplingFlags = { ...drawing, ...ending }

export interface SamplingFlags {
  readonly temperature: number
  readonly topK: number
  readonly topP: number
  readonly minP: number
  readonly repetitionPenalty: number
  readonly dryMultiplier: number
  readonly dryBase: Option.Option<number>
  readonly dryAllowedLength: Option.Option<number>
  readonly seed: number
  readonly maxTokens: number
  readonly stop: ReadonlyArray<string>
  readonly items: Option.Option<number>
  readonly language: Option.Option<string>
  readonly grammar: Option.Option<string>
  readonly redeclarationPenalty: Option.Option<number>
  readonly noLoopStop: boolean
  readonly logprobs: Option.Option<number>
}

/** Why these flags contradict each other, in one sentence; undefined where they do not. */
export const contradiction = (flags: SamplingFlags & { readonly json: boolean }): string | undefined => {
  if (Option.isSome(flags.logprobs) && !flags.json)
    return "--logprobs has no effect without --json, which prints them. Add --json, or leave --logprobs out."
  if (Option.isSome(flags.language) && Option.isNone(flags.items))
    return "--language has no effect without --items. Add --items N, or leave --language out."
  if (
    Option.isSome(flags.language) &&
    Option.isSome(flags.grammar) &&
    flags.language.value !== flags.grammar.value
  )
    return `--items counts items of ${flags.language.value}, and --grammar writes ${flags.grammar.value}. Give one language for both, or leave --grammar out.`
  if (flags.temperature === 0 && (flags.topP < 1 || flags.minP > 0))
    return "--top-p and --min-p have no effect at --temperature 0, which always takes the most likely token. Leave them out, or give a temperature."
  if (Option.isSome(flags.redeclarationPenalty) && Option.isNone(flags.grammar))
    return "--redeclaration-penalty has no effect without --grammar. Add --grammar c, or leave it out."
  if (flags.dryMultiplier === 0 && (Option.isSome(flags.dryBase) || Option.isSome(flags.dryAllowedLength)))
    return "--dry-base and --dry-allowed-length have no effect without --dry-multiplier. Add --dry-multiplier X, such as 0.8, or leave them out."
  return undefined
}

/** The flags as this model takes them. The tools of a language are open as long as the scope. */
export const optionsOf = Effect.fnUntraced(function* (flags: SamplingFlags, { codec }: Loaded) {
  const { dryMultiplier, maxTokens, minP, repetitionPenalty, seed, stop, temperature, topK, topP } = flags
  const language = named(Option.getOrElse(flags.language, () => Option.getOrElse(flags.grammar, () => "c")))
  const items =
    Option.isNone(flags.items) || language === undefined
      ? undefined
      : { count: flags.items.value, lastItem: (yield* language.open).lastItem }
  const writes = Option.isSome(flags.grammar) ? named(flags.grammar.value) : undefined
  const options: GenerateOptions = {
    maxTokens,
    temperature,
    topK,
    topP,
    minP,
    repetitionPenalty,
    dryMultiplier,
    dryBase: Option.getOrUndefined(flags.dryBase),
    dryAllowedLength: Option.getOrUndefined(flags.dryAllowedLength),
    seed,
    stop,
    items,
    redeclarationPenalty: Option.getOrUndefined(flags.redeclarationPenalty),
    guidance: writes === undefined ? undefined : yield* guidance(writes, codec.tokenBytes),
    loopStop: !flags.noLoopStop,
    logprobs: Option.getOrUndefined(flags.logprobs)
  }
  return options
})
