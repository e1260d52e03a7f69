/**
 * Which part of a text is its middle, for training to fill in the middle. Half of the middles lie between characters: both ends are drawn
 * evenly. The other half ends at the end of a line, before its line break, and begins at the beginning of a line, after its indentation or at
 * any of its characters: half of these are in one line, as an editor asks for, and the others have 1 to n of the n lines that there are, short
 * ones more often (the logarithm is drawn evenly).
 *
 * Source of cuts between characters: Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the Middle", arXiv:2207.14255,
 * section 3.
 */
import type { Draw } from "../model/draws.ts"

/** A text in three parts, which are the text again when joined. */
export interface Parts {
  readonly prefix: string
  readonly middle: string
  readonly suffix: string
}

const partsAt = (text: string, from: number, to: number): Parts => ({
  prefix: text.slice(0, from),
  middle: text.slice(from, to),
  suffix: text.slice(to)
})

/** The place itself, or the one before it where it lies between the halves of a character. */
const between = (text: string, at: number): number => {
  const [before, after] = [text.charCodeAt(at - 1), text.charCodeAt(at)]
  const splits = before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff
  return splits ? at - 1 : at
}

const atCharacters = (text: string, draw: Draw): Parts => {
  const place = () => between(text, Math.floor(draw() * (text.length + 1)))
  const [one, other] = [place(), place()]
  return partsAt(text, Math.min(one, other), Math.max(one, other))
}

/** Where each line ends, before its line break; the last is the text's end. */
const endsOfLines = (text: string): ReadonlyArray<number> => {
  const ends = [...text.matchAll(/\r?\n/g)].map(({ index }) => index)
  return text.endsWith("\n") ? ends : [...ends, text.length]
}

const atLines = (text: string, draw: Draw): Parts => {
  const ends = endsOfLines(text)
  const first = Math.floor(draw() * ends.length)
  const lines = draw() < 0.5 ? 1 : Math.floor((ends.length - first + 1) ** draw())
  const begin = first === 0 ? 0 : text.indexOf("\n", ends[first - 1]!) + 1
  const end = ends[first]!
  const indentation = /^[ \t]*/.exec(text.slice(begin, end))?.[0].length ?? 0
  const kind = Math.floor(draw() * 3)
  const from =
    kind === 0 ? begin : kind === 1 ? begin + indentation : begin + Math.floor(draw() * (end - begin))
  return partsAt(text, between(text, from), ends[first + lines - 1]!)
}

/** Cuts a text of at least one character. The same draws give the same cuts. */
export const cutMiddle = (text: string, draw: Draw): Parts =>
  draw() < 0.5 ? atLines(text, draw) : atCharacters(text, draw)
