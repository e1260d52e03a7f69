/** The bodies of requests: decoded with a Schema, so that a wrong one is a refusal that names the field. */
import { Effect, Predicate, Schema, SchemaIssue } from "effect"
import { type ApiError, invalid } from "./ApiError.ts"

/** Lists of a request hold at most so many entries. */
const mostStops = 16
const mostExtra = 256
const mostAlternatives = 20

const between = (minimum: number, maximum: number) => Schema.isBetween({ minimum, maximum })

const tokenId = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const tokenIds = Schema.Array(tokenId).check(Schema.isMinLength(1))
const stopText = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(256))

const sampling = {
  temperature: Schema.optionalKey(Schema.Finite.check(between(0, 100))),
  top_p: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1))),
  top_k: Schema.optionalKey(Schema.Int.check(between(0, 2 ** 31 - 1))),
  min_p: Schema.optionalKey(Schema.Finite.check(between(0, 1))),
  dry_multiplier: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  dry_base: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(1))),
  dry_allowed_length: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
  seed: Schema.optionalKey(Schema.Int.check(between(-(2 ** 31), 2 ** 32 - 1))),
  stop: Schema.optionalKey(
    Schema.Union([stopText, Schema.Array(stopText).check(Schema.isMaxLength(mostStops))])
  )
}

/** `POST /v1/completions`, with `top_k`, `min_p`, `repetition_penalty` and the fields of DRY beside those of OpenAI. */
export const CompletionRequest = Schema.Struct({
  ...sampling,
  /** Answered by the model that is served, whatever its name. */
  model: Schema.optionalKey(Schema.String),
  prompt: Schema.optionalKey(
    Schema.Union([
      Schema.String,
      Schema.Array(Schema.String).check(Schema.isMinLength(1)),
      tokenIds,
      Schema.Array(tokenIds).check(Schema.isMinLength(1))
    ])
  ),
  suffix: Schema.optionalKey(Schema.String),
  max_tokens: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  n: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
  repetition_penalty: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  logprobs: Schema.optionalKey(Schema.Int.check(between(0, mostAlternatives))),
  echo: Schema.optionalKey(Schema.Boolean),
  stream: Schema.optionalKey(Schema.Boolean),
  stream_options: Schema.optionalKey(Schema.Struct({ include_usage: Schema.optionalKey(Schema.Boolean) })),
  /** Keeps the texts to those of a language, which they end whole: the name of a grammar, such as `c`. */
  grammar: Schema.optionalKey(Schema.String),
  /** With a grammar: how much less likely tokens are that declare a name again in its block. */
  redeclaration_penalty: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  /** Whether a text that repeats itself ends; true unless given. */
  loop_stop: Schema.optionalKey(Schema.Boolean),
  /** For the caller's own books. */
  user: Schema.optionalKey(Schema.String)
})
export type CompletionRequest = typeof CompletionRequest.Type

/** `POST /infill`, as llama.cpp has it and llama.vim sends it. */
export const InfillRequest = Schema.Struct({
  ...sampling,
  input_prefix: Schema.optionalKey(Schema.String),
  input_suffix: Schema.optionalKey(Schema.String),
  /** Pieces of other files, which come before the prefix. */
  input_extra: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        text: Schema.String,
        filename: Schema.optionalKey(Schema.NullOr(Schema.String)),
        time: Schema.optionalKey(Schema.Unknown)
      })
    ).check(Schema.isMaxLength(mostExtra))
  ),
  /** What stands between prefix and cursor. */
  prompt: Schema.optionalKey(Schema.String),
  /** -1: as many as a request may ask for. */
  n_predict: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(-1))),
  repeat_penalty: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  /** Milliseconds after the first token at which the text ends once it has a whole line; 0 for no limit. */
  t_max_predict_ms: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  stream: Schema.optionalKey(Schema.Literal(false)),
  /** Names of the fields to answer with, `timings/prompt_ms` for one inside another; all unless given. */
  response_fields: Schema.optionalKey(Schema.Array(Schema.String).check(Schema.isMaxLength(64)))
})
export type InfillRequest = typeof InfillRequest.Type

/** A decoded body, and the names of the fields in it that have no meaning here. */
export interface Decoded<A> {
  readonly request: A
  readonly ignored: ReadonlyArray<string>
}

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

const faultOf = (error: Schema.SchemaError): ApiError => {
  const { issues } = issuesOf(error.issue)
  const path = (issues[0]?.path ?? []).map((part) => String(Predicate.isObject(part) ? part.key : part))
  const param = path[0] ?? null
  const why = (issues[0]?.message ?? "it is not of the form that this request has").replaceAll(/\s+/g, " ")
  return invalid(param, param === null ? `The body is wrong: ${why}.` : `${path.join(".")} is wrong: ${why}.`)
}

/** OpenAI's own fields that would change the answer and that this server does not have, and the values that change nothing. */
const unsupported: Readonly<Record<string, (value: unknown) => boolean>> = {
  presence_penalty: (value) => value === 0,
  frequency_penalty: (value) => value === 0,
  logit_bias: (value) => Predicate.isObject(value) && Object.keys(value).length === 0,
  best_of: (value) => value === 1
}

/** Decodes a JSON body. A field that is null counts as absent. */
export const decode = <A>(schema: Schema.ConstraintDecoder<A> & { readonly fields: object }, body: unknown) =>
  Effect.gen(function* () {
    if (!Predicate.isObject(body) || Array.isArray(body))
      return yield* invalid(null, "The body must be a JSON object.")
    const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
    for (const [name, changesNothing] of Object.entries(unsupported))
      if (Object.hasOwn(given, name) && !changesNothing(given[name]))
        return yield* invalid(name, `${name} is not supported; leave it out.`, "unsupported_parameter")
    const request = yield* Schema.decodeUnknownEffect(schema)(given).pipe(Effect.mapError(faultOf))
    const known = new Set([...Object.keys(schema.fields), ...Object.keys(unsupported)])
    return { request, ignored: Object.keys(given).filter((name) => !known.has(name)) } satisfies Decoded<A>
  })
