/** The comment at the top of a document, which often is a licence that many documents repeat. */
import { createHash } from "node:crypto"
import { DigestSet } from "../collect/DigestSet.ts"
import { type Kept, kept } from "./Examination.ts"

/** A shorter comment is not worth removing. */
const minimumCharacters = 200

/** A byte order mark, a `#!` line, and blank lines. */
const opening = /^(?:\uFEFF)?(?:#![^\n]*\n)?\s*/

/** A comment of C's kind in `/*`, or lines that begin with what begins a comment. Lines of the C preprocessor are none. */
const comments = [
  /\/\*[\s\S]*?\*\/[ \t]*\n?/,
  /(?:[ \t]*(?:\/\/|--|;|#(?![ \t]*(?:include|if|ifdef|ifndef|define|undef|pragma|error|warning|line|import|else|elif|endif)\b))[^\n]*\n)+/
]

/** Where the first comment of a text begins and ends; undefined where it has none of enough characters. */
export const headerOf = (text: string): { readonly from: number; readonly to: number } | undefined => {
  const from = opening.exec(text)?.[0].length ?? 0
  for (const { source } of comments) {
    const pattern = new RegExp(source, "y")
    pattern.lastIndex = from
    const length = pattern.exec(text)?.[0].length ?? 0
    if (length >= minimumCharacters) return { from, to: from + length }
  }
  return undefined
}

/** Removes headers that an earlier text had. Texts whose header differs in whitespace or digits alone, such as a year, have the same one. */
export const onceOnly = (setting: "keep" | "once"): ((text: string) => Kept) => {
  if (setting === "keep") return (text) => kept(text)
  const seen = new DigestSet()
  return (text) => {
    const header = headerOf(text)
    if (header === undefined) return kept(text)
    const words = text.slice(header.from, header.to).replaceAll(/[\s\d]+/g, " ")
    if (seen.add(createHash("sha256").update(words).digest("hex"))) return kept(text)
    const line = text.slice(0, header.from).split("\n").length
    return kept(text.slice(0, header.from) + text.slice(header.to), [
      { change: "repeated header removed", line }
    ])
  }
}
