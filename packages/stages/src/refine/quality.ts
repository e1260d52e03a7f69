/**
 * Filters for documents that are not worth learning from, after BigCode's recipe for The Stack (Kocetkov et al. 2022, arXiv:2211.15533; Li et
 * al. 2023, arXiv:2305.06161).
 */
import { share } from "../figures.ts"
import { type Dropped, dropped, type Named } from "./Examination.ts"

export interface Settings {
  readonly maximumMeanLine: number | null
  readonly maximumLongestLine: number | null
  readonly minimumAlphanumerics: number
  readonly generated: "drop" | "keep"
  readonly excludedFolders: ReadonlyArray<string>
  readonly maximumNumberShare: number
  readonly minimumParsedShare: number
}

/** Lines of a document in which a generator names itself. */
const markerLines = 10

const marker =
  /\bauto-?generated\b|\bautomatically generated\b|@generated\b|\bgenerated (?:automatically|by|from)\b|\bfile (?:is|was|has been) generated\b|\bdo not edit\b/i

const generatedName =
  /[.-]min\.(?:js|css)$|\.(?:pb|g)\.\w+$|_pb2(?:_grpc)?\.pyi?$|\.(?:lock|map|designer\.cs)$|(?:^|\/)(?:package-lock\.json|npm-shrinkwrap\.json|go\.sum)$/i

const generated = (path: string, kind: string, text: string): Dropped | undefined => {
  if (generatedName.test(path)) return dropped("generated", "by its name")
  if (prose.has(kind)) return undefined
  let end = -1
  for (let line = 1; line <= markerLines; line++) {
    const start = end + 1
    end = text.indexOf("\n", start)
    const content = text.slice(start, end === -1 ? start + 1000 : Math.min(end, start + 1000))
    if (marker.test(content)) return dropped("generated", `by a marker in line ${line}`)
    if (end === -1) break
  }
  return undefined
}

const inFolder = (path: string, folders: ReadonlySet<string>): Dropped | undefined => {
  const found = path
    .split("/")
    .slice(0, -1)
    .find((name) => folders.has(name.toLowerCase()))
  return found === undefined ? undefined : dropped("excluded folder", `within ${found}`)
}

/** Mean and longest line, in characters, of lines that are not empty. */
export const lineLengths = (text: string): { readonly mean: number; readonly longest: number } => {
  let [lines, sum, longest] = [0, 0, 0]
  for (let start = 0; start < text.length; ) {
    const found = text.indexOf("\n", start)
    const end = found === -1 ? text.length : found
    const length = end - start
    if (length > 0) lines++
    sum += length
    longest = Math.max(longest, length)
    start = end + 1
  }
  return { mean: lines === 0 ? 0 : sum / lines, longest }
}

/** Endings of prose: it may speak of generated files, and its paragraphs may be lines. */
const prose = new Set(["md", "markdown", "txt", "rst", "tex", ""])

/** Endings to which the limits of lines do not apply. */
const longLined = new Set([...prose, "html", "htm", "json", "xml"])

/** A text with fewer numbers is no table. */
const tableNumbers = 128

const digit = 1
const letter = 2
const underscore = 95

/** What an ASCII character is: a digit, a letter or `_`, or neither. */
const classes = Uint8Array.from({ length: 128 }, (_, code) =>
  code >= 48 && code <= 57
    ? digit
    : code === underscore || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
      ? letter
      : 0
)
const classOf = (text: string, at: number): number => classes[text.charCodeAt(at)] ?? 0

/** Share of a text's characters that are letters, digits or not ASCII; 1 for an empty text. */
export const alphanumerics = (text: string): number => {
  let others = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (classes[code] === 0 || code === underscore) others++
  }
  return text.length === 0 ? 1 : 1 - others / text.length
}

const isHexadecimal = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at)
  return (code >= 48 && code <= 57) || ((code | 32) >= 97 && (code | 32) <= 102)
}

/** Whether an escape such as `\x1f` begins here. */
const isEscape = (text: string, at: number): boolean =>
  text.charCodeAt(at) === 92 &&
  (text.charCodeAt(at + 1) | 32) === 120 &&
  isHexadecimal(text, at + 2) &&
  isHexadecimal(text, at + 3)

/** Share of numbers, escapes such as `\x1f` included, of all words and numbers of a text; 0 where it has few numbers. */
export const numberShare = (text: string): number => {
  let [numbers, words] = [0, 0]
  for (let at = 0; at < text.length; ) {
    const here = classOf(text, at)
    if (here === letter) {
      words++
      while (classOf(text, ++at) !== 0);
    } else if (here === digit && (at === 0 || classOf(text, at - 1) === 0)) {
      numbers++
      while (classOf(text, ++at) !== 0 || text.charCodeAt(at) === 46);
    } else if (isEscape(text, at)) {
      numbers++
      at += 4
    } else at++
  }
  return numbers < tableNumbers ? 0 : numbers / (numbers + words)
}

/** The filters. `parsedShare` gives the share of a text that its grammar reads; undefined where there is no grammar. */
export const check = (
  settings: Settings,
  parsedShare: (ending: string, text: string) => number | undefined
): ((document: Named, text: string) => Dropped | undefined) => {
  const folders = new Set(settings.excludedFolders.map((name) => name.toLowerCase()))
  const {
    maximumLongestLine,
    maximumMeanLine,
    maximumNumberShare,
    minimumAlphanumerics,
    minimumParsedShare
  } = settings
  return ({ kind, path }, text) => {
    const excluded = inFolder(path, folders)
    if (excluded !== undefined) return excluded
    const made = settings.generated === "drop" ? generated(path, kind, text) : undefined
    if (made !== undefined) return made
    const { longest, mean } = longLined.has(kind) ? { longest: 0, mean: 0 } : lineLengths(text)
    if (maximumLongestLine !== null && longest > maximumLongestLine)
      return dropped("long line", `longest line: ${longest} characters`)
    if (maximumMeanLine !== null && mean > maximumMeanLine)
      return dropped("long lines", `mean line: ${mean.toFixed(1)} characters`)
    const letters = minimumAlphanumerics > 0 ? alphanumerics(text) : 1
    if (letters < minimumAlphanumerics)
      return dropped("few alphanumerics", `alphanumerics: ${share(letters)}`)
    const numbers = maximumNumberShare < 1 ? numberShare(text) : 0
    if (numbers > maximumNumberShare)
      return dropped("table of numbers", `numbers: ${share(numbers)} of words`)
    const parsed = minimumParsedShare > 0 ? (parsedShare(kind, text) ?? 1) : 1
    if (parsed < minimumParsedShare) return dropped("does not parse", `parsed: ${share(parsed)}`)
    return undefined
  }
}
