/**
 * Guided generation: keeps what a model writes to texts of a language, token by token, and ends it in time.
 *
 * The token that the model draws is looked at alone. If the text with it can still become a text of the language, and what it would take to
 * end it fits into the tokens that are left, the token stands; else it is left out and the model draws again. So the text is drawn from the
 * model's own distribution over what may follow. When the tokens that are left are all that an end takes, they are that end. A token may end
 * within a lexeme or a character.
 */

import { Effect, Schema } from "effect"
import type { Language, LanguageUnavailable } from "../languages/Language.ts"
import type { Prefix, PrefixReader } from "../languages/ViablePrefix.ts"
import { makeBuffers } from "./Buffers.ts"
import { Declarations } from "./Declarations.ts"
import type { History } from "./History.ts"
import { candidates, type Sampling } from "./Sampling.ts"

/** A text that cannot be guided, or a tokenizer or a language that does not allow it. */
export class GuideImpossible extends Schema.TaggedError<GuideImpossible>()("GuideImpossible", {
  message: Schema.String
}) {}

/** What guides the texts of one tokenizer in one language; shared by all of them. */
export interface Guidance {
  /** The language's name as it is shown. */
  readonly title: string
  readonly reader: PrefixReader
  /** Bytes of each id; undefined for ids that stand for no text. */
  readonly tokenBytes: ReadonlyArray<Uint8Array | undefined>
  /** Tokens that together are these bytes, by longest match from the beginning; undefined where there are none. */
  readonly tokensOf: (bytes: Uint8Array) => ReadonlyArray<number> | undefined
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1")

/** Writes bytes in tokens by longest match. */
const longestMatch = (tokenBytes: Guidance["tokenBytes"]): Guidance["tokensOf"] => {
  const byText = new Map<string, number>()
  let longest = 0
  for (const [id, bytes] of tokenBytes.entries()) {
    if (bytes === undefined || bytes.length === 0) continue
    byText.set(latin1(bytes), id)
    longest = Math.max(longest, bytes.length)
  }
  /** By the bytes themselves: a language gives the same ones for the same place. */
  const known = new WeakMap<Uint8Array, ReadonlyArray<number>>()
  const find = (bytes: Uint8Array): ReadonlyArray<number> | undefined => {
    const text = latin1(bytes)
    const ids: Array<number> = []
    for (let at = 0; at < text.length; ) {
      let length = Math.min(longest, text.length - at)
      while (length > 0 && !byText.has(text.slice(at, at + length))) length--
      const id = byText.get(text.slice(at, at + length))
      if (id === undefined) return undefined
      ids.push(id)
      at += length
    }
    return ids
  }
  return (bytes) => {
    const ids = known.get(bytes) ?? find(bytes)
    if (ids !== undefined) known.set(bytes, ids)
    return ids
  }
}

/** Opens what guides texts in a language that are written in the tokens of a vocabulary. */
export const guidance = (
  language: Language,
  tokenBytes: ReadonlyArray<Uint8Array | undefined> | undefined
): Effect.Effect<Guidance, GuideImpossible | LanguageUnavailable> =>
  Effect.gen(function* () {
    if (language.grammar === undefined)
      return yield* new GuideImpossible({
        message: `${language.title} has no grammar that generation can follow. Leave the grammar out.`
      })
    if (tokenBytes === undefined)
      return yield* new GuideImpossible({
        message:
          "This model's tokenizer is not byte-level, and guided generation needs one that is. Leave the grammar out, or take a model with byte-level byte-pair tokens."
      })
    const reader = yield* language.grammar
    return { title: language.title, reader, tokenBytes, tokensOf: longestMatch(tokenBytes) }
  })

/** A text as a prefix, and what it declares. */
interface Begun {
  readonly prefix: Prefix
  readonly declarations: Declarations
}

const begin = ({ reader }: Guidance, text: string): Begun | undefined => {
  const bytes = new TextEncoder().encode(reader.prepare(text))
  const prefix = reader.begin().read(bytes)
  return prefix === undefined
    ? undefined
    : { prefix, declarations: Declarations.none.read(bytes, prefix.declared) }
}

/** The text that ends a text as whole items, empty where it is whole; undefined where none was found. */
export const closingText = (guidance: Guidance, text: string): string | undefined => {
  const closing = begin(guidance, text)?.prefix.closing()
  return closing === undefined ? undefined : new TextDecoder().decode(closing)
}

/** How a guided token is drawn. */
export interface GuidedSampling extends Sampling {
  /**
   * 0 or more: where a token is drawn that declares a name again in its block, this is subtracted from its logit, and the token is drawn anew. 0
   * changes nothing; 5 when absent.
   */
  readonly redeclarationPenalty?: number | undefined
}

/** docs/generation.md says what it brings. */
export const defaultRedeclarationPenalty = 5

/** Tokens that are left beyond the estimate of an end, from which on the end is worked out for each token. */
const margin = 16
/** Tokens that the model draws for one place before the text is ended instead. */
const mostDraws = 200

/** Guides one text. */
export class Guide {
  private readonly guidance: Guidance
  private prefix: Prefix
  private left: number
  /** Tokens that end the text, where they were worked out for it as it is. */
  private ending: ReadonlyArray<number> | undefined
  private closing = false
  private readonly buffers = makeBuffers()
  private declarations: Declarations

  private constructor(
    guidance: Guidance,
    { declarations, prefix }: Begun,
    left: number,
    ending: ReadonlyArray<number>
  ) {
    this.guidance = guidance
    this.prefix = prefix
    this.declarations = declarations
    this.left = left
    this.ending = ending
  }

  /**
   * Begins after a prompt. `tokens`: how many may follow, at most. Fails where the prompt is no beginning of a text of the language, or
   * needs more tokens to end.
   */
  static begin(guidance: Guidance, prompt: string, tokens: number): Effect.Effect<Guide, GuideImpossible> {
    const { title } = guidance
    const impossible = (message: string) => Effect.fail(new GuideImpossible({ message }))
    const begun = begin(guidance, prompt)
    if (begun === undefined)
      return impossible(
        `The prompt is not the beginning of a ${title} text that the grammar accepts. Change the prompt, or leave the grammar out.`
      )
    const closing = begun.prefix.closing()
    const ending = closing === undefined ? undefined : guidance.tokensOf(closing)
    if (ending === undefined)
      return impossible(
        `No way was found to end the prompt as a ${title} text. Change the prompt, or leave the grammar out.`
      )
    if (ending.length > tokens)
      return impossible(
        `The prompt needs ${ending.length} more tokens to end as a ${title} text, and the limit is ${tokens}. Raise the limit, or leave the grammar out.`
      )
    return Effect.succeed(new Guide(guidance, begun, tokens, ending))
  }

  /** Whether nothing may follow: the text was ended because the limit came near. */
  get ended(): boolean {
    return this.closing && this.ending?.length === 0
  }

  /**
   * Draws the next token from its logits [V], under settings; `endToken` where the text ends. `uniform` gives numbers in [0, 1), one a draw;
   * `history` is the text so far, for the penalties.
   */
  next(
    logits: Float32Array,
    sampling: GuidedSampling,
    uniform: () => number,
    history: History,
    endToken: number | undefined
  ): number | undefined {
    if (!this.closing && (this.ending === undefined || this.ending.length < this.left)) {
      const token = this.draw(logits, sampling, uniform, history, endToken)
      if (token !== undefined) return token
    }
    return this.close() ?? endToken
  }

  /** The first token that may follow, of those that are drawn; undefined where none is among so many. */
  private draw(
    logits: Float32Array,
    sampling: GuidedSampling,
    uniform: () => number,
    history: History,
    endToken: number | undefined
  ): number | undefined {
    const penalty = sampling.redeclarationPenalty ?? defaultRedeclarationPenalty
    let lowered: Set<number> | undefined
    let draws = 0
    let allowed = logits
    while (draws < mostDraws) {
      const among = candidates(allowed, sampling, history, this.buffers)
      const refused: Array<number> = []
      let lower: number | undefined
      for (; draws < mostDraws; draws++) {
        const token = among.draw(uniform())
        if (token === undefined) break
        const taken =
          token === endToken
            ? this.prefix.complete
            : this.take(token, penalty === 0 || lowered?.has(token) === true)
        if (taken === "again") {
          lower = token
          break
        }
        if (taken) return token
        among.drop()
        refused.push(token)
      }
      if (refused.length === 0 && lower === undefined) return undefined
      // All that the settings leave were refused, or one is less likely now: the next most likely ones take their place.
      if (allowed === logits) allowed = logits.slice()
      for (const token of refused) allowed[token] = Number.NEGATIVE_INFINITY
      if (lower !== undefined) {
        allowed[lower]! -= penalty
        lowered = (lowered ?? new Set()).add(lower)
      }
    }
    return undefined
  }

  /** Adds a token where it may follow and leaves enough tokens to end the text; "again" where it declares a name again and may not. */
  private take(token: number, mayDeclareAgain: boolean): boolean | "again" {
    const bytes = this.guidance.tokenBytes[token]
    const next = bytes === undefined ? undefined : this.prefix.read(bytes)
    if (bytes === undefined || next === undefined) return false
    let ending: ReadonlyArray<number> | undefined
    if (next.distance() + margin > this.left - 1) {
      ending = this.endingOf(next)
      if (ending === undefined || ending.length > this.left - 1) return false
    }
    const declarations = this.declarations.read(bytes, next.declared)
    if (declarations.again && !mayDeclareAgain) return "again"
    this.declarations = declarations
    this.prefix = next
    this.ending = ending
    this.left--
    return true
  }

  private endingOf(prefix: Prefix): ReadonlyArray<number> | undefined {
    const closing = prefix.closing()
    return closing === undefined ? undefined : this.guidance.tokensOf(closing)
  }

  /** The next token of the end; undefined where the text is whole. */
  private close(): number | undefined {
    this.closing = true
    this.ending ??= this.endingOf(this.prefix) ?? []
    const [token, ...rest] = this.ending
    this.ending = rest
    this.left--
    return token
  }
}
