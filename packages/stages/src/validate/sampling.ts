/** The settings of `validate` that say how completions are drawn: those of `generate`, with defaults that make completions end. */
import { Effect, Schema } from "effect"
import { defaultRedeclarationPenalty } from "../generate/Guide.ts"
import { dryDefaults } from "../generate/Sampling.ts"

const positive = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const atLeast = (least: number) => Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(least)))

export const fields = {
  /**
   * Length of a completion, which ends earlier where it repeats itself.
   * @unit tokens
   */
  maxTokens: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(480))),
  /** Sampling temperature. 0 always takes the most likely token; 1 samples from the model's own distribution. */
  temperature: Schema.Finite.pipe(
    Schema.check(Schema.isGreaterThanOrEqualTo(0)),
    Schema.withDecodingDefaultKey(Effect.succeed(0.8))
  ),
  /**
   * Samples from this many of the most likely tokens only.
   * @unit tokens
   */
  topK: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(40))),
  /**
   * Samples from the fewest most likely tokens with at least this probability together.
   * @defaultValue 1, all of them
   */
  topP: Schema.optionalKey(
    Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1)))
  ),
  /**
   * Leaves out tokens with less than this share of the most likely token's probability.
   * @defaultValue 0.3
   */
  minP: Schema.optionalKey(
    Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0), Schema.isLessThanOrEqualTo(1)))
  ),
  /**
   * Makes tokens of the text so far less likely where it is above 1.
   * @defaultValue 1.1
   */
  repetitionPenalty: Schema.optionalKey(Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))),
  /**
   * DRY: makes tokens less likely that go on with a repetition, by `dryMultiplier` × `dryBase` ^ (repeated tokens - `dryAllowedLength`) of their
   * logits. 0 turns it off.
   * @defaultValue 1
   */
  dryMultiplier: Schema.optionalKey(atLeast(0)),
  /**
   * How much stronger DRY is with each token that is repeated.
   * @defaultValue 1.75
   */
  dryBase: Schema.optionalKey(atLeast(1)),
  /**
   * How many tokens may be repeated.
   * @unit tokens
   * @defaultValue 8
   */
  dryAllowedLength: Schema.optionalKey(positive),
  /**
   * Makes guided completions less likely to declare a name again in its block, by so much of the logits of tokens that do. 0 turns it off.
   * @defaultValue 5
   */
  redeclarationPenalty: Schema.optionalKey(atLeast(0))
}
type Config = Schema.Struct<typeof fields>["Type"]

/** docs/validation.md says why these. */
export const defaults = {
  minP: 0.3,
  repetitionPenalty: 1.1,
  dryMultiplier: 1,
  dryBase: dryDefaults.base,
  dryAllowedLength: 8,
  redeclarationPenalty: defaultRedeclarationPenalty
}

/** The settings with the defaults of those that have no effect beside some others, where giving them is refused. */
export const withDefaults = <C extends Config>(config: C) => ({ ...defaults, ...config })

/** Why settings that are given have no effect, and what to do; undefined where all have one. */
export const withoutEffect = (config: Config & { readonly guided: boolean }): string | undefined => {
  const unused = (names: ReadonlyArray<keyof Config>, why: string, remedy: string) => {
    const given = names.filter((name) => config[name] !== undefined)
    if (given.length === 0) return undefined
    const all = given.join(" and ")
    return `${all} ${given.length === 1 ? "has" : "have"} no effect, because ${why}. ${remedy}, or take ${all} out.`
  }
  const atZero = "temperature is 0 and the most likely token is always taken"
  return (
    (config.temperature === 0 ? unused(["topP", "minP"], atZero, "Set temperature") : undefined) ??
    (config.dryMultiplier === 0
      ? unused(["dryBase", "dryAllowedLength"], "dryMultiplier is 0", "Set dryMultiplier")
      : undefined) ??
    (config.guided ? undefined : unused(["redeclarationPenalty"], "guided is false", "Set guided to true"))
  )
}

/** What is said of them in the report. */
export const describe = (
  config: Config & typeof defaults & { readonly items: number; readonly seed: number }
): string => {
  const { items, maxTokens, repetitionPenalty, seed, temperature, topK } = config
  const { dryAllowedLength, dryBase, dryMultiplier, minP, topP = 1 } = config
  const penalties = [
    ...(repetitionPenalty === 1 ? [] : [`repetition penalty ${repetitionPenalty}`]),
    ...(dryMultiplier === 0 ? [] : [`DRY ${dryMultiplier} × ${dryBase}^(n - ${dryAllowedLength})`])
  ]
  const cuts = [...(topP < 1 ? [`top-p ${topP}`] : []), ...(minP > 0 ? [`min-p ${minP}`] : [])]
  const drawn =
    temperature === 0
      ? ["always the most likely one", ...penalties]
      : [`drawn at temperature ${temperature} from the ${topK} most likely`, ...cuts, ...penalties]
  const whole = items === 0 ? "" : items === 1 ? ", to the end of an item" : `, to the end of ${items} items`
  return `at most ${maxTokens} tokens${whole}, ${drawn.join(", ")}${temperature === 0 ? "" : ` (seed ${seed})`}`
}
