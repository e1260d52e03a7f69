/**
 * Which licence a text is, by its similarity to the texts of the SPDX list. `licenceTexts.br` has these, made by scripts/licence-texts.ts.
 */
import { readFileSync } from "node:fs"
import { brotliDecompressSync } from "node:zlib"
import { Schema } from "effect"
import { mix } from "./mix.ts"

/** Runs of so many words are compared. */
const run = 3

/** Share of the runs that two texts must have in common (Sørensen's and Dice's coefficient) to be the same licence. */
const sameFrom = 0.9
/** Share of a licence's runs that a longer text must have to contain it. */
const containedFrom = 0.95
/** Share of its runs that no longer licence in the text has. */
const ownFrom = 0.1
/** Shorter licences are in any text by chance. */
const minimumRuns = 24

/** What follows a licence's terms, often left out: how to apply them. A longer rest has more than that. */
const appendix = /\bend of terms and conditions (?:appendix )?how to apply\b(?: \w+){0,500}$/

/**
 * A licence's text as words in lower case with a space between. Without lines of copyright, and with one word for whoever disclaims, because
 * these name years and people.
 */
export const wordsOf = (text: string): string =>
  (
    text
      .toLowerCase()
      .replaceAll(/^\W*(?:portions )?(?:copyright\b(?!\s+(?:notice|holder|owner|law))|\(c\)|©).*$/gm, "")
      .replaceAll("licence", "license")
      .match(/[a-z0-9]+/g) ?? []
  )
    .join(" ")
    .replaceAll(/\ball rights reserved\b ?/g, "")
    .replaceAll(
      /\b(as is and|express or implied warranties|in no event shall)(?: \w+){1,12}? (disclaims?|be liable)\b/g,
      "$1 owner $2"
    )

/** The words of a text's terms alone. */
export const termsOf = (words: string): string => words.replace(appendix, "")

const hashOf = (word: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < word.length; at++) hash = Math.imul(hash ^ word.charCodeAt(at), 0x01000193)
  return mix(hash)
}

const runsOf = (words: string): Set<number> => {
  const hashes = words.split(" ").map(hashOf)
  const runs = new Set<number>()
  for (let at = 0; at + run <= hashes.length; at++) {
    let hash = 0
    for (let next = at; next < at + run; next++) hash = mix(Math.imul(hash, 31) + hashes[next]!)
    runs.add(hash)
  }
  return runs
}

/** Name of each licence with its words, those first that are to be taken where two have the same text. */
export const Texts = Schema.fromJsonString(Schema.Array(Schema.Tuple([Schema.String, Schema.String])))

interface Known {
  readonly licence: string
  readonly runs: Uint32Array
}

const load = (): ReadonlyArray<Known> => {
  const file = brotliDecompressSync(readFileSync(new URL("./licenceTexts.br", import.meta.url)))
  return Schema.decodeSync(Texts)(file.toString("utf8")).map(([licence, words]) => ({
    licence,
    runs: Uint32Array.from(runsOf(words))
  }))
}

const sharedWith = (known: Known, runs: ReadonlySet<number>): number => {
  let shared = 0
  for (const each of known.runs) if (runs.has(each)) shared++
  return shared
}

/** The licence that the text as a whole is. */
const wholeOf = (list: ReadonlyArray<Known>, runs: ReadonlySet<number>): string | undefined => {
  let best: string | undefined
  let most = 0
  for (const known of list) {
    const size = known.runs.length + runs.size
    // No text of so different a length can be the same.
    if (2 * Math.min(known.runs.length, runs.size) < sameFrom * size) continue
    const similarity = (2 * sharedWith(known, runs)) / size
    if (similarity > most && similarity >= sameFrom) {
      best = known.licence
      most = similarity
    }
  }
  return best
}

/** Licences that are in a longer text. The closest comes first, of equally close ones the longest, and has what shorter ones are parts of. */
const partsOf = (list: ReadonlyArray<Known>, runs: Set<number>): ReadonlyArray<string> => {
  const found: Array<string> = []
  const candidates = list
    .filter((known) => known.runs.length >= minimumRuns && known.runs.length <= 1.05 * runs.size)
    .map((known) => ({ known, share: sharedWith(known, runs) / known.runs.length }))
    .filter(({ share }) => share >= containedFrom)
    .sort(
      (a, b) =>
        Math.round(50 * b.share) - Math.round(50 * a.share) || b.known.runs.length - a.known.runs.length
    )
  for (const { known } of candidates) {
    if (sharedWith(known, runs) < ownFrom * known.runs.length) continue
    found.push(known.licence)
    for (const each of known.runs) runs.delete(each)
  }
  return found
}

/** Compares texts with the SPDX list, which is read when the first is asked for. */
export const make = () => {
  let list: ReadonlyArray<Known> | undefined
  const known = new Map<string, ReadonlyArray<string>>()
  /** SPDX names of the licences in a text; several where it has the texts of several, none where it has none that is known. */
  return (text: string): ReadonlyArray<string> => {
    list ??= load()
    const words = wordsOf(text)
    const before = known.get(words)
    if (before !== undefined) return before
    const whole = wholeOf(list, runsOf(termsOf(words)))
    const found = whole === undefined ? partsOf(list, runsOf(words)) : [whole]
    if (known.size === 4096) known.clear()
    known.set(words, found)
    return found
  }
}
export type Matcher = ReturnType<typeof make>
