/** Prompts of models that fill in the middle: see `tokenize/sentinels.ts` for the order of their parts. */
import { arranged, sentinelNames as names, type Sentinels } from "../tokenize/sentinels.ts"

/** The parts of a prompt that an editor has written with the sentinels as text; undefined where it is no such prompt. */
export const partsOf = (prompt: string): { readonly before: string; readonly after: string } | undefined => {
  const [suffixAt, middleAt] = [prompt.indexOf(names.suffix), prompt.lastIndexOf(names.middle)]
  const isWhole = prompt.startsWith(names.prefix) && prompt.endsWith(names.middle)
  if (!isWhole || suffixAt < 0 || middleAt < suffixAt) return undefined
  return {
    before: prompt.slice(names.prefix.length, suffixAt),
    after: prompt.slice(suffixAt + names.suffix.length, middleAt)
  }
}

/** A prompt for a context, and how many tokens did not fit it. */
export interface Fitted {
  readonly ids: ReadonlyArray<number>
  readonly cut: number
}

/** Cuts a prompt from the left to `most` tokens. */
export const fitted = (ids: ReadonlyArray<number>, most: number): Fitted => ({
  ids: ids.slice(-most),
  cut: Math.max(0, ids.length - most)
})

/**
 * The prompt of a middle. Where it has more than `most` tokens, a suffix keeps at most a quarter of them and loses its end; then the prefix
 * loses its beginning.
 */
export const middlePrompt = (
  sentinels: Sentinels,
  before: ReadonlyArray<number>,
  after: ReadonlyArray<number>,
  most: number
): Fitted => {
  const room = Math.max(1, most - 3)
  const keptAfter = after.slice(0, Math.max(room - before.length, Math.floor(room / 4)))
  const keptBefore = before.slice(Math.max(0, before.length - (room - keptAfter.length)))
  return {
    ids: arranged(sentinels, keptBefore, keptAfter),
    cut: before.length + after.length - keptBefore.length - keptAfter.length
  }
}
