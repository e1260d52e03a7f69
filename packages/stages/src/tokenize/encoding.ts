/** Text to token ids, without Effect: for threads too. What it needs is plain data. */
import { Tokenizer as Library } from "tokenizers"
import { detached, isSettled, split } from "./splitting.ts"

/** How texts are encoded. */
export interface Encoding {
  /** A tokenizer.json, as the `tokenizers` library reads it. */
  readonly json: string
  /** The rule that cuts text into words, each independent of the text around it; undefined where it is unknown here. */
  readonly words: RegExp | undefined
}

/** Ids of each text, without special tokens. */
export type Encode = (texts: ReadonlyArray<string>) => Promise<ReadonlyArray<Uint32Array>>

/** Ids of a word: one id by itself, which most words are, or several. */
type Ids = number | ReadonlyArray<number>

/** Entries of the cache, and characters of the longest word in it. */
const maximumCached = 200_000
const longestCached = 64

/** Puts the ids of words end to end. */
const join = (words: ReadonlyArray<string>, idsOf: (word: string) => Ids): Uint32Array => {
  let length = 0
  const parts = words.map((word) => {
    const ids = idsOf(word)
    length += typeof ids === "number" ? 1 : ids.length
    return ids
  })
  const joined = new Uint32Array(length)
  let at = 0
  for (const ids of parts) {
    if (typeof ids === "number") joined[at++] = ids
    else {
      joined.set(ids, at)
      at += ids.length
    }
  }
  return joined
}

const encodeWith = async (library: Library, texts: ReadonlyArray<string>) => {
  if (texts.length === 0) return []
  const encoded = await library.encodeBatch([...texts], { addSpecialTokens: false })
  return encoded.map((encoding) => encoding.getIds())
}

/** Encodes word by word with a cache. A text that this rule and the library might cut differently is encoded by the library as a whole. */
const wordwise = (library: Library, words: RegExp): Encode => {
  const cached = new Map<string, Ids>()
  const learn = async (lists: ReadonlyArray<ReadonlyArray<string>>) => {
    const fresh = new Map<string, Ids>()
    for (const list of lists) for (const word of list) if (!cached.has(word)) fresh.set(word, 0)
    if (fresh.size === 0) return fresh
    const unknown = [...fresh.keys()]
    const encoded = await encodeWith(library, unknown)
    for (const [index, word] of unknown.entries()) {
      const ids = encoded[index]!
      fresh.set(word, ids.length === 1 ? ids[0]! : ids)
    }
    return fresh
  }
  return async (texts) => {
    const settled = texts.map(isSettled)
    const lists = texts.map((text, index) => (settled[index] ? split(text, words) : []))
    const fresh = await learn(lists)
    const whole = await encodeWith(
      library,
      texts.filter((_, index) => !settled[index])
    )
    let next = 0
    const encoded = lists.map((list, index) =>
      settled[index]
        ? join(list, (word) => fresh.get(word) ?? cached.get(word)!)
        : Uint32Array.from(whole[next++]!)
    )
    if (cached.size > maximumCached) cached.clear()
    for (const [word, ids] of fresh) if (word.length <= longestCached) cached.set(detached(word), ids)
    return encoded
  }
}

/** The encoder of a library that is open. */
export const encoderOf = (library: Library, words: RegExp | undefined): Encode =>
  words === undefined
    ? async (texts) => (await encodeWith(library, texts)).map((ids) => Uint32Array.from(ids))
    : wordwise(library, words)

/** Opens an encoder. Throws where the library refuses the tokenizer.json. */
export const open = ({ json, words }: Encoding): Encode => encoderOf(Library.fromString(json), words)
