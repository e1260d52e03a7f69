/** Completions: what the model writes after a prompt, and the text that follows it in its document. */
import { Effect } from "effect"
import type { TextGenerator } from "../generate/Batch.ts"
import type { Codec } from "../generate/Completion.ts"
import type { Guidance, Guide, GuidedSampling } from "../generate/Guide.ts"
import { type ItemLimit, itemLimit } from "../generate/itemLimit.ts"
import { type Ended, sampleRow } from "../generate/Samples.ts"
import { writeRows } from "../generate/writeRows.ts"

export interface Options extends GuidedSampling {
  readonly maxTokens: number
  readonly seed: number
  readonly endTokenId: number
  /** Ends completions at the end of an item; at the end of the document, at the limit or not at all when absent. */
  readonly items?: ItemLimit | undefined
  /** Ends completions that repeat themselves. */
  readonly loopStop: boolean
}

/** What guides completions: one guide for each prompt, which then writes nothing where it has none. */
export interface Guides {
  readonly guidance: Guidance
  readonly guides: ReadonlyArray<Guide | undefined>
}

/** A text after a prompt. */
export interface Continued {
  readonly text: string
  readonly tokens: ReadonlyArray<number>
  /** "document": its author ended it there. */
  readonly ended: Exclude<Ended["by"], "stop">
}

interface Writing {
  text: string
  readonly tokens: Array<number>
  ended: Continued["ended"]
}

/**
 * Lets the model continue prompts, as many at once as the speaker has rows; an empty one is the start of a document. Prompt i, from 0, has the
 * seed `seed + i`. `onEnd` is run as each is finished.
 */
export const completeAll = Effect.fn("validate.completeAll")(function* <E, E2, R>(
  speaker: TextGenerator,
  codec: Codec<E>,
  prompts: ReadonlyArray<string>,
  { endTokenId, ...options }: Options,
  onEnd: Effect.Effect<void, E2, R>,
  guided?: Guides
) {
  const encoded = yield* Effect.forEach(prompts, codec.encode)
  const made = prompts.map((): Writing => ({ text: "", tokens: [] as number[], ended: "limit" }))
  // Prompts of about the same length side by side: their shared part is read in blocks.
  const byLength = [...prompts.keys()]
    .filter((index) => guided === undefined || guided.guides[index] !== undefined)
    .sort((a, b) => encoded[a]!.length - encoded[b]!.length || a - b)
  let ended = 0
  const rowOf = (index: number) => {
    const [text, tokens, one] = [prompts[index]!, encoded[index]!, made[index]!]
    const ids = tokens.length === 0 ? [endTokenId] : tokens
    const settings = {
      ...options,
      seed: options.seed + index,
      stopToken: endTokenId,
      guidance: guided?.guidance
    }
    return sampleRow(codec, { text, ids }, settings, guided?.guides[index], (part) => {
      one.text += part.text
      if (part.token !== undefined) one.tokens.push(part.token)
      if (part.ended === undefined) return
      // There are no stop texts.
      if (part.ended.by !== "stop") one.ended = part.ended.by
      ended++
    })
  }
  const step = writeRows(speaker, byLength, rowOf)
  while (yield* step) for (; ended > 0; ended--) yield* onEnd
  return yield* Effect.forEach(made, (each, index) =>
    Effect.map(
      spaceBetween(codec, prompts[index]!, encoded[index]!, each),
      (space): Continued => ({ ...each, text: space + each.text })
    )
  )
})

/** The space that stands between a prompt and what follows, where a tokenizer of words gives it to neither of the two. */
const spaceBetween = Effect.fnUntraced(function* <E>(
  codec: Codec<E>,
  prompt: string,
  encoded: ReadonlyArray<number>,
  { text, tokens }: Pick<Continued, "text" | "tokens">
) {
  if (tokens.length === 0) return ""
  const whole = yield* codec.decode([...encoded, ...tokens.slice(0, 1)])
  const [space] = whole.startsWith(prompt) ? (/^\s/.exec(whole.slice(prompt.length)) ?? []) : []
  return space === undefined || text.startsWith(space) ? "" : space
})

/** As much of the text that follows a prompt in its document as a completion may have. */
export const real = Effect.fn("validate.real")(function* <E>(
  codec: Codec<E>,
  { prompt, rest }: { readonly prompt: string; readonly rest: string },
  { items, maxTokens }: Pick<Options, "items" | "maxTokens">
) {
  // No token is longer than this many characters on average; encoding a whole long document would waste time.
  const enough = rest.slice(0, maxTokens * 64)
  const encoded = yield* codec.encode(enough)
  const tokens = encoded.slice(0, maxTokens)
  const whole = encoded.length <= maxTokens && enough.length === rest.length
  const text = whole ? rest : (yield* codec.decode(tokens)).replace(/\uFFFD+$/u, "")
  const end = items === undefined ? undefined : endOfItems(prompt, text, items)
  const result: Continued =
    end === undefined
      ? { text, tokens, ended: whole ? "document" : "limit" }
      : { text: text.slice(0, end), tokens, ended: "items" }
  return result
})

/** Where a text ends by the item limit; undefined where it does not. Line by line, since a limit reads all of the text for each piece. */
const endOfItems = (prompt: string, text: string, limit: ItemLimit): number | undefined => {
  const ending = itemLimit(prompt, limit)
  let before = 0
  for (const line of text.split(/(?<=\n)/)) {
    const length = ending(line)
    if (length !== undefined) return before + length
    before += line.length
  }
  return undefined
}
