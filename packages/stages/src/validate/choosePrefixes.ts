/** Choosing prompts from the documents of the judged split. */
import { Effect } from "effect"
import type { SplitReader } from "../dataset/DatasetReader.ts"
import type { Codec } from "../generate/Completion.ts"
import { draws, permutation } from "../model/draws.ts"
import { tokensOf } from "./measure.ts"
import type { Prefix } from "./Prefix.ts"

export interface ChosenPrefix extends Prefix {
  /** Path of the document. */
  readonly document: string
}

export interface Options {
  readonly count: number
  readonly seed: number
  /** Longest prompt, in tokens. */
  readonly longestPrompt: number
  /** Most tokens that the document itself needs to end the item: a model that is given twice as many can be asked to. */
  readonly longestItem: number
}

/**
 * Chooses prompts among those that the .c and .h documents offer: documents in an order that the seed decides, one prompt from each, then
 * a second from each, and so on until there are enough. Fewer when there are no more.
 */
export const choosePrefixes = Effect.fn("validate.choosePrefixes")(function* <E>(
  split: SplitReader,
  codec: Codec<E>,
  prefixesOf: (text: string) => ReadonlyArray<Prefix>,
  { count, longestItem, longestPrompt, seed }: Options
) {
  const candidates = split.documents.filter(({ kind }) => kind === "c" || kind === "h")
  const order = permutation(candidates.length, draws(seed, "validate", "documents"))
  const offers: Array<{ readonly document: string; readonly left: Array<Prefix> }> = []
  const chosen: Array<ChosenPrefix> = []

  /** The next prompt of a document that is short enough. */
  const take = Effect.fnUntraced(function* ({ document, left }: (typeof offers)[number]) {
    for (let prefix = left.pop(); prefix !== undefined; prefix = left.pop()) {
      const prompt = yield* codec.encode(prefix.prompt)
      const item = yield* codec.encode(prefix.item)
      if (prompt.length <= longestPrompt && item.length <= longestItem) {
        chosen.push({ ...prefix, document })
        return
      }
    }
  })

  for (const index of order) {
    if (chosen.length >= count) return chosen
    const document = candidates[index]!
    const tokens = yield* tokensOf(split, document)
    const text = yield* codec.decode(Array.from(tokens.subarray(0, -1)))
    const found = prefixesOf(text)
    const shuffled = permutation(found.length, draws(seed, "validate", "prefixes", document.id))
    const offer = { document: document.path, left: Array.from(shuffled, (at) => found[at]!) }
    yield* take(offer)
    if (offer.left.length > 0) offers.push(offer)
  }
  while (chosen.length < count && offers.some((offer) => offer.left.length > 0)) {
    for (const offer of offers) if (chosen.length < count) yield* take(offer)
  }
  return chosen
})
