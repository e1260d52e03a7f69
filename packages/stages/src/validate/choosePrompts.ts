/** Chooses prompts from the documents of the measured split: heads of functions and the like, each with the text that follows it there. */
import { Effect } from "effect"
import type { SplitReader } from "../dataset/DatasetReader.ts"
import type { Codec } from "../generate/Completion.ts"
import type { Language, Tools } from "../languages/Language.ts"
import { draws, permutation } from "../model/draws.ts"
import { tokensOf } from "./measure.ts"

/** A prompt and the text that follows it in its document. */
export interface DocumentPrompt {
  readonly prompt: string
  /** To the end of the document. */
  readonly rest: string
  /** The beginning of `rest` that ends the item. */
  readonly item: string
  /** Path of the document. */
  readonly document: string
}

export interface Options {
  readonly count: number
  readonly seed: number
  /** Longest prompt, in tokens. */
  readonly longestPrompt: number
  /** Most tokens that the document itself needs to end the item, so that a model with twice as many can be expected to end it. */
  readonly longestItem: number
}

/**
 * Chooses prompts among the items of the language's documents: documents in an order that the seed decides, one prompt from each, then
 * a second from each, and so on until there are enough. Fewer when there are no more.
 */
export const choosePrompts = Effect.fn("validate.choosePrompts")(function* <E>(
  split: SplitReader,
  codec: Codec<E>,
  { endings, items }: Pick<Language, "endings"> & Pick<Tools, "items">,
  { count, longestItem, longestPrompt, seed }: Options
) {
  const candidates = split.documents.filter(({ kind }) => endings.includes(kind))
  const order = permutation(candidates.length, draws(seed, "validate", "documents"))
  const queues: Array<Array<DocumentPrompt>> = []
  const chosen: Array<DocumentPrompt> = []

  /** The next prompt of a document that is short enough. */
  const take = Effect.fnUntraced(function* (queue: Array<DocumentPrompt>) {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const prompt = yield* codec.encode(next.prompt)
      const item = yield* codec.encode(next.item)
      if (prompt.length <= longestPrompt && item.length <= longestItem) {
        chosen.push(next)
        return
      }
    }
  })

  for (const index of order) {
    if (chosen.length >= count) return chosen
    const document = candidates[index]!
    const tokens = yield* tokensOf(split, document)
    const text = yield* codec.decode(Array.from(tokens.subarray(0, -1)))
    const found = items(text).map(
      ({ body, end, start }): DocumentPrompt => ({
        prompt: text.slice(start, body),
        rest: text.slice(body),
        item: text.slice(body, end),
        document: document.path
      })
    )
    const shuffled = permutation(found.length, draws(seed, "validate", "prefixes", document.id))
    const queue = Array.from(shuffled, (at) => found[at]!)
    yield* take(queue)
    if (queue.length > 0) queues.push(queue)
  }
  while (chosen.length < count && queues.some((queue) => queue.length > 0)) {
    for (const queue of queues) if (chosen.length < count) yield* take(queue)
  }
  return chosen
})
