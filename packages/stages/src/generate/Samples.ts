/**
 * Completions of a prompt, several at once as the rows of a batch, part by part: what each token adds to the text, and how a completion ends.
 *
 * After each token, in this order: the end of the document ends a completion before it; then the first stop text that is whole, before it; then
 * the item limit, at the item's end; then a loop; then the token limit.
 *
 * A guided completion ends whole. Where a stop text, the item limit or a loop would end it within an item, the shortest end that was found is
 * added to its text; it does not count as tokens.
 */
import type { RunError } from "@trainyard/backends/Backend"
import { Array as Arr, Effect, Stream } from "effect"
import type { AdaptiveModel } from "../adaptive/AdaptiveModel.ts"
import { adaptiveRow } from "./adaptiveRow.ts"
import type { Row, TextGenerator } from "./Batch.ts"
import { type CompletionOptions, chooser } from "./Completion.ts"
import { type Codec, decoder } from "./decoding.ts"
import { closingText, type Guidance, Guide, type GuideImpossible } from "./Guide.ts"
import { type ItemLimit, itemLimit } from "./itemLimit.ts"
import { logProbabilities, type TokenLogProbability } from "./logProbabilities.ts"
import { type Loop, loopDetector } from "./loops.ts"
import { stopTexts } from "./stopTexts.ts"
import { writeRows } from "./writeRows.ts"

export interface SampleOptions extends CompletionOptions {
  /** The completion ends before the first of these texts, none of which is empty. */
  readonly stop?: ReadonlyArray<string> | undefined
  /** Ends the completion at the end of an item of its language. */
  readonly items?: ItemLimit | undefined
  /** Whether a completion that repeats itself ends: see `loops.ts` for the rule. True unless given. */
  readonly loopStop?: boolean | undefined
  /** Gives each token's log-probability with this many of the most likely tokens; none when absent. */
  readonly logprobs?: number | undefined
  /** Draws from this mixture of the model with n-grams, which needs `stopToken`; from the model alone when absent. */
  readonly adaptive?: AdaptiveModel | undefined
  /** Keeps the completion to texts of a language, which it ends whole; see `Guide`. Free when absent. */
  readonly guidance?: Guidance | undefined
}

export interface Prompt {
  readonly text: string
  /** Its tokens, at least one. */
  readonly ids: ReadonlyArray<number>
}

/**
 * How a completion ended: by the token that ends a document, a stop text, the item limit, a loop or the token limit.
 */
export type Ended =
  | { readonly by: "document" | "stop" | "items" | "limit" }
  | { readonly by: "loop"; readonly loop: Loop }

/** What one token did. */
export interface Part {
  /** Number of the sample, from 0. */
  readonly sample: number
  /** Absent where the end of the document was drawn. */
  readonly token?: number
  /** Where log-probabilities are wanted. */
  readonly logprobs?: TokenLogProbability
  /** What is certain of the text now, and was not before; may be empty. */
  readonly text: string
  /** In the last part of a sample. */
  readonly ended?: Ended
}

/** What a token adds to a text, and whether that ends it. */
type Written = Pick<Part, "text" | "ended">

/** How a guide itself ends a text. */
const endsWhole: ReadonlySet<Ended["by"]> = new Set(["document", "limit"])

/** Adds to the last part of a guided completion what ends its text whole; `before` is the text that precedes the part. */
const closed = (part: Written, before: string, guidance: Guidance | undefined) =>
  guidance === undefined || part.ended === undefined || endsWhole.has(part.ended.by)
    ? part
    : { ...part, text: part.text + (closingText(guidance, before + part.text) ?? "") }

/** The text that one completion's tokens make, and whether that ends it. */
const writer = <E>(codec: Codec<E>, prompt: Prompt, options: SampleOptions) => {
  const { decode, known } = decoder(codec)
  const stops = stopTexts(options.stop ?? [])
  const ending = options.items === undefined ? undefined : itemLimit(prompt.text, options.items)
  const looping = options.loopStop === false ? undefined : loopDetector()
  let made = 0
  /** The text so far, where a guide needs it. */
  let whole = prompt.text
  const shown = (part: Written): Written => {
    if (options.guidance === undefined) return part
    const all = closed(part, whole, options.guidance)
    whole += all.text
    return all
  }
  /** The part of a piece that belongs to the completion, and whether the item limit ends it there. */
  const limited = (text: string, ended: Ended | undefined): Written => {
    const length = text === "" ? undefined : ending?.(text)
    if (length !== undefined) return shown({ text: text.slice(0, length), ended: { by: "items" } })
    return shown(ended === undefined ? { text } : { text, ended })
  }
  return {
    atEnd: (): Written => limited(stops.end(), { by: "document" }),
    decode,
    known,
    /** The token whose text was decoded to `piece`. `last`: nothing follows. */
    token: (token: number, piece: string, last: boolean): Written => {
      made++
      const { stopped, text } = stops.next(piece)
      if (stopped) return limited(text, { by: "stop" })
      const loop = looping?.(token)
      const ended: Ended | undefined =
        loop !== undefined
          ? { by: "loop", loop }
          : last || made >= options.maxTokens
            ? { by: "limit" }
            : undefined
      return limited(ended === undefined ? text : text + stops.end(), ended)
    }
  }
}

/** A row that writes one completion, as the parts of a sample. */
const rowOf = <E>(
  codec: Codec<E>,
  prompt: Prompt,
  options: SampleOptions,
  guide: Guide | undefined,
  emit: (part: Part) => void,
  sample = 0
): Row<E> => {
  const choose = chooser(prompt.ids, options, guide)
  const write = writer(codec, prompt, options)
  const { logprobs: count, stopToken } = options
  const add = (token: number, piece: string, logprobs: TokenLogProbability | undefined) => {
    const { ended, text } = write.token(token, piece, guide?.ended === true)
    // Most tokens: a literal costs less than spreading.
    if (ended === undefined && logprobs === undefined) emit({ sample, token, text })
    else
      emit({
        sample,
        token,
        ...(logprobs !== undefined && { logprobs }),
        text,
        ...(ended !== undefined && { ended })
      })
    return ended === undefined ? token : undefined
  }
  const row: Row<E> = {
    prompt: prompt.ids,
    next: (logits) => {
      const token = choose(logits)
      if (token === undefined || token === stopToken) {
        emit({ sample, ...write.atEnd() })
        return undefined
      }
      // Before the text is decoded: the logits are valid until then.
      const logprobs = count === undefined ? undefined : logProbabilities(logits, token, count)
      const piece = write.known(token)
      return piece === undefined
        ? Effect.map(write.decode(token), (piece) => add(token, piece, logprobs))
        : add(token, piece, logprobs)
    }
  }
  const { adaptive } = options
  return adaptive === undefined || stopToken === undefined ? row : adaptiveRow(row, adaptive, stopToken)
}

/** Samples of one batch, numbered from `first`. */
const batch = <E>(
  generator: TextGenerator,
  codec: Codec<E>,
  prompt: Prompt,
  options: SampleOptions,
  numbers: ReadonlyArray<number>
): Stream.Stream<Part, RunError | GuideImpossible | E> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { guidance, maxTokens } = options
      const parts: Array<Part> = []
      const rows = yield* Effect.forEach(
        numbers,
        Effect.fnUntraced(function* (sample) {
          const guide =
            guidance === undefined ? undefined : yield* Guide.begin(guidance, prompt.text, maxTokens)
          const own = { ...options, seed: options.seed + sample }
          return rowOf(codec, prompt, own, guide, (part) => void parts.push(part), sample)
        })
      )
      const step = writeRows(generator, rows, (row) => row)
      // Arrays as they are: a stream for each token would cost more than its draw.
      const next: Effect.Effect<readonly [Arr.NonEmptyReadonlyArray<Part>, 0] | undefined, RunError | E> =
        Effect.flatMap(step, (more) => {
          const some = parts.splice(0)
          if (Arr.isArrayNonEmpty(some)) return Effect.succeed([some, 0] as const)
          return more ? next : Effect.succeed(undefined)
        })
      return Stream.unfold(0, () => next).pipe(Stream.flattenArray)
    })
  )

/**
 * `count` completions of a prompt, as many at once as the generator has rows. Sample i, from 0, is the completion of seed `seed + i` alone.
 */
export const samples = <E>(
  generator: TextGenerator,
  codec: Codec<E>,
  prompt: Prompt,
  options: SampleOptions,
  count: number
): Stream.Stream<Part, RunError | GuideImpossible | E> => {
  const rows = generator.rows ?? 1
  const batches = Array.from({ length: Math.ceil(count / rows) }, (_, index) =>
    Array.from({ length: Math.min(rows, count - index * rows) }, (_, row) => index * rows + row)
  )
  return Stream.fromIterable(batches).pipe(
    Stream.flatMap((numbers) => batch(generator, codec, prompt, options, numbers))
  )
}

/** A row that writes one completion, for batches that are not begun here. */
export { rowOf as sampleRow }
