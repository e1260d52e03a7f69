/** The JSON of a completion: its choices, how each ended, and what was counted. */
import type { Codec } from "@trainyard/stages/generate/decoding"
import type { TokenLogProbability } from "@trainyard/stages/generate/logProbabilities"
import type { Ended, Part } from "@trainyard/stages/generate/Samples"
import type { TokenizerMismatch } from "@trainyard/stages/tokenize/TokenizerError"
import { Effect, Stream } from "effect"
import { refusal } from "./ApiError.ts"
import { type Asked, finishReason } from "./Choices.ts"
import type { WriteError } from "./Scheduler.ts"

/** What an answer is made of. */
export interface Answer {
  /** The fields that every object of it has. */
  readonly head: {
    readonly id: string
    readonly object: "text_completion"
    readonly created: number
    readonly model: string
  }
  readonly asked: ReadonlyArray<Asked>
  /** Fields of the request that have no meaning here. */
  readonly ignored: ReadonlyArray<string>
  readonly echo: boolean
  readonly codec: Codec<TokenizerMismatch>
}

/** Log-probabilities of tokens in OpenAI's form: lists of one length. */
export interface LogProbs {
  readonly tokens: ReadonlyArray<string>
  readonly token_logprobs: ReadonlyArray<number>
  readonly top_logprobs: ReadonlyArray<Readonly<Record<string, number>>>
  readonly text_offset: ReadonlyArray<number>
}

/** A token's text by itself; U+FFFD stands for bytes that are no whole character. */
const logProbsOf = Effect.fnUntraced(function* (
  { codec }: Answer,
  { alternatives, id, logProbability }: TokenLogProbability,
  offset: number
) {
  const top: Record<string, number> = {}
  // Of tokens with the same text the likelier one.
  for (const other of alternatives) {
    const text = yield* codec.decode([other.id])
    top[text] ??= other.logProbability
  }
  return {
    tokens: [yield* codec.decode([id])],
    token_logprobs: [logProbability],
    top_logprobs: [top],
    text_offset: [offset]
  } satisfies LogProbs as LogProbs
})

const joined = (all: ReadonlyArray<LogProbs>): LogProbs => ({
  tokens: all.flatMap(({ tokens }) => tokens),
  token_logprobs: all.flatMap((one) => one.token_logprobs),
  top_logprobs: all.flatMap((one) => one.top_logprobs),
  text_offset: all.flatMap((one) => one.text_offset)
})

/** What a piece adds to its choice. */
export interface Addition {
  readonly text: string
  readonly logprobs: LogProbs | null
  readonly ended: Ended | undefined
}

/** Takes the pieces of an answer in turn. */
export const adder = (answer: Answer) => {
  const lengths = answer.asked.map(({ prompt }) => prompt.text.length)
  let tokens = 0
  return {
    /** Tokens so far, of all texts. */
    tokens: () => tokens,
    /** What a part adds; an effect of it where there are log-probabilities, whose tokens are decoded. */
    add: ({
      ended,
      logprobs,
      sample,
      text,
      token
    }: Part): Addition | Effect.Effect<Addition, TokenizerMismatch> => {
      if (token !== undefined) tokens++
      const offset = lengths[sample]!
      lengths[sample] = offset + text.length
      return logprobs === undefined
        ? { text, logprobs: null, ended }
        : Effect.map(logProbsOf(answer, logprobs, offset), (logprobs) => ({ text, logprobs, ended }))
    }
  }
}

export const usageOf = ({ asked }: Answer, completionTokens: number) => {
  // A prompt counts once, however many texts go on from it.
  const promptTokens = [...new Set(asked.map(({ prompt }) => prompt))].reduce(
    (sum, { ids }) => sum + ids.length,
    0
  )
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens
  }
}

/** What the caller should know of how the request was taken; nothing where it was taken as it is. */
export const notesOf = ({ asked, ignored }: Answer) => {
  const cut = Math.max(...asked.map(({ prompt }) => prompt.cut))
  return {
    ...(cut > 0 && { truncated: true, truncated_tokens: cut }),
    ...(asked.some(({ prompt }) => prompt.suffixIgnored) && { suffix_ignored: true }),
    ...(ignored.length > 0 && { ignored_fields: ignored })
  }
}

/** How a choice ends. A text of no tokens ends by its limit. `ended_by` tells the causes of `stop` apart. */
export const endOf = (ended: Ended = { by: "limit" }) => ({
  finish_reason: finishReason(ended),
  ended_by: ended.by
})

/** The server's own failures. */
export const asServerError = (error: WriteError) => refusal(500, error.message, { code: "engine_failure" })

/** The whole answer, once all texts have ended. */
export const whole = Effect.fn("completionAnswer.whole")(function* (
  answer: Answer,
  parts: Stream.Stream<ReadonlyArray<Part> | undefined, WriteError>
) {
  const { add, tokens } = adder(answer)
  const made = answer.asked.map(
    (): { text: string; logprobs: Array<LogProbs>; ended: Ended | undefined } => ({
      text: "",
      logprobs: [],
      ended: undefined
    })
  )
  const take = (part: Part, { ended, logprobs, text }: Addition): void => {
    const choice = made[part.sample]!
    choice.text += text
    if (logprobs !== null) choice.logprobs.push(logprobs)
    choice.ended = ended
  }
  yield* Stream.runForEach(
    parts,
    Effect.fnUntraced(function* (together) {
      for (const part of together ?? []) {
        const addition = add(part)
        take(part, Effect.isEffect(addition) ? yield* addition : addition)
      }
    })
  ).pipe(Effect.mapError(asServerError))
  return {
    ...answer.head,
    choices: made.map(({ ended, logprobs, text }, index) => ({
      text: answer.echo ? answer.asked[index]!.prompt.text + text : text,
      index,
      logprobs: answer.asked[index]!.options.logprobs === undefined ? null : joined(logprobs),
      ...endOf(ended)
    })),
    usage: usageOf(answer, tokens()),
    ...notesOf(answer)
  }
})
