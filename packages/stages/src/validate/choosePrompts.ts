/**
 * Chooses prompts from the documents of the measured split, each with the text that follows it there: heads of functions and the like, and
 * where those are not enough, the same with some lines of the body.
 */
import { Effect } from "effect"
import type { SplitReader } from "../dataset/DatasetReader.ts"
import type { Codec } from "../generate/Completion.ts"
import type { Item, Language, Tools } from "../languages/Language.ts"
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
  /** Most tokens that the document itself needs to end the item, so that a model with several times as many can be expected to end it. */
  readonly longestItem: number
}

/** The prompts, and how they were found. */
export interface Chosen {
  readonly prompts: ReadonlyArray<DocumentPrompt>
  /** How many of them are heads alone; the others have lines of the body. */
  readonly heads: number
  /** Heads and cuts that were looked at and left out, because the rest of its item is too long. */
  readonly tooLong: number
}

/** Lines with text that an item has left after a cut in its body, at least: its last and one more. */
const leastLines = 2

/** The ends of the lines of an item's body after which so many are left. */
const lineEnds = (text: string, { body, end }: Item): ReadonlyArray<number> => {
  const cuts: Array<number> = []
  const rest = (at: number) => text.slice(at, end).split("\n")
  for (let at = text.indexOf("\n", body); at >= 0 && at < end; at = text.indexOf("\n", at + 1)) {
    const hasText = text.slice(cuts.at(-1) ?? body, at).trim() !== ""
    if (hasText && rest(at).filter((line) => line.trim() !== "").length >= leastLines) cuts.push(at)
  }
  return cuts
}

/** What a document has to choose from, the next last: heads, then cuts, each item's first before any item's second. */
interface Queues {
  readonly heads: Array<DocumentPrompt>
  readonly cuts: Array<DocumentPrompt>
}

const queuesOf = (
  { id, path }: SplitReader["documents"][number],
  text: string,
  items: ReadonlyArray<Item>,
  seed: number
): Queues => {
  const draw = draws(seed, "validate", "prefixes", id)
  const shuffled = Array.from(permutation(items.length, draw), (at) => items[at]!)
  const cutAt =
    ({ end, start }: Item) =>
    (cut: number): DocumentPrompt => ({
      prompt: text.slice(start, cut),
      rest: text.slice(cut),
      item: text.slice(cut, end),
      document: path
    })
  const rounds: Array<Array<DocumentPrompt>> = []
  for (const item of shuffled) {
    const ends = lineEnds(text, item)
    for (const [round, index] of permutation(ends.length, draw).entries())
      (rounds[round] ??= []).push(cutAt(item)(ends[index]!))
  }
  return { heads: shuffled.map((item) => cutAt(item)(item.body)), cuts: rounds.reverse().flat() }
}

/**
 * Chooses prompts among the items of the language's documents: documents in an order that the seed decides, one head from each, then a second
 * from each, and so on; where there are no more heads, cuts at the end of a line of an item's body in the same way. Fewer when there are no more.
 */
export const choosePrompts = Effect.fn("validate.choosePrompts")(function* <E>(
  split: SplitReader,
  codec: Codec<E>,
  { endings, items }: Pick<Language, "endings"> & Pick<Tools, "items">,
  { count, longestItem, seed }: Options
) {
  const candidates = split.documents.filter(({ kind }) => endings.includes(kind))
  const order = permutation(candidates.length, draws(seed, "validate", "documents"))
  const all: Array<Queues> = []
  const prompts: Array<DocumentPrompt> = []
  let tooLong = 0

  /** The next prompt of a document that is short enough. */
  const take = Effect.fnUntraced(function* (queue: Array<DocumentPrompt>) {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      if ((yield* codec.encode(next.item)).length <= longestItem) {
        prompts.push(next)
        return
      }
      tooLong++
    }
  })
  const takeAll = Effect.fnUntraced(function* (queues: ReadonlyArray<Array<DocumentPrompt>>) {
    while (prompts.length < count && queues.some((queue) => queue.length > 0))
      for (const queue of queues) if (prompts.length < count) yield* take(queue)
  })

  for (const index of order) {
    if (prompts.length >= count) break
    const document = candidates[index]!
    const tokens = yield* tokensOf(split, document)
    const text = yield* codec.decode(Array.from(tokens.subarray(0, -1)))
    const queues = queuesOf(document, text, items(text), seed)
    yield* take(queues.heads)
    all.push(queues)
  }
  yield* takeAll(all.map(({ heads }) => heads))
  const heads = prompts.length
  yield* takeAll(all.map(({ cuts }) => cuts))
  return { prompts, heads, tooLong } satisfies Chosen as Chosen
})
