/** SPDX expressions: the licences of a document, or of an entry of a list. */
import { Option } from "effect"

/** One licence of an expression, in lower case. */
export interface Term {
  readonly licence: string
  readonly exception: string | undefined
}

/** The alternatives of an expression: of one of them, all licences apply. */
export type Alternatives = ReadonlyArray<ReadonlyArray<Term>>

const token = /\s*(\(|\)|[A-Za-z0-9.:-]+\+?)/y

const tokensOf = (expression: string): ReadonlyArray<string> | undefined => {
  const tokens: Array<string> = []
  const pattern = new RegExp(token.source, "y")
  const text = expression.trimEnd()
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text)?.[1]
    if (found === undefined) return undefined
    tokens.push(found)
  }
  return tokens
}

/** Names of the GNU licences before SPDX 3.0 said `-only` or `-or-later`: `GPL-2.0` and `GPL-2.0+`. */
const currentName = (name: string): string => {
  const gnu = /^((?:a|l)?gpl-\d\.\d|gfdl-\d\.\d)(\+?)$/.exec(name)
  return gnu === null ? name : `${gnu[1]}${gnu[2] === "+" ? "-or-later" : "-only"}`
}

const notLicences = /^(?:and|or|with|unlicensed|none|noassertion|proprietary|see|custom)$/i

/** Alternatives of more than this number are not listed: no document states so many licences. */
const maximumAlternatives = 256

/** An expression's alternatives; undefined where the text is no SPDX expression. AND binds before OR (SPDX specification, annex D). */
export const parse = (expression: string): Alternatives | undefined => {
  const tokens = tokensOf(expression)
  if (tokens === undefined) return undefined
  let at = 0
  const take = (word: string): boolean => {
    const is = tokens[at]?.toUpperCase() === word
    if (is) at++
    return is
  }
  const simple = (): Option.Option<Alternatives> => {
    if (take("(")) {
      const inner = either()
      return take(")") ? inner : Option.none()
    }
    const name = tokens[at++]
    if (name === undefined || name === ")" || notLicences.test(name)) return Option.none()
    const licence = currentName(name.toLowerCase())
    if (!take("WITH")) return Option.some([[{ licence, exception: undefined }]])
    const exception = tokens[at++]?.toLowerCase()
    return exception === undefined ? Option.none() : Option.some([[{ licence, exception }]])
  }
  const both = (): Option.Option<Alternatives> => {
    let found = simple()
    while (Option.isSome(found) && take("AND")) {
      const left = found.value
      found = Option.map(simple(), (right) => left.flatMap((one) => right.map((other) => [...one, ...other])))
      if (Option.isSome(found) && found.value.length > maximumAlternatives) return Option.none()
    }
    return found
  }
  const either = (): Option.Option<Alternatives> => {
    let found = both()
    while (Option.isSome(found) && take("OR")) {
      const left = found.value
      found = Option.map(both(), (right) => [...left, ...right])
    }
    return found
  }
  const result = either()
  return Option.isSome(result) && at === tokens.length ? result.value : undefined
}
