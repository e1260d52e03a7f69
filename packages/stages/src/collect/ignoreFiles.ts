/** The rules of `.gitignore` files, where git is not there to be asked: outside of work trees, and where it refuses. */
import { Effect, FileSystem, Path } from "effect"
import ignore, { type Ignore } from "ignore"

/** An ignore file's rules. */
export interface Rules {
  readonly matcher: Ignore
  /** Path as seen from the file's own folder, of a path as seen from the top of the walk. */
  readonly from: (path: string) => string
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
const ascii = /^[\x00-\x7f]*$/

/**
 * One character for each byte, because git compares bytes: its `?` is half of an é. Those that are not ASCII become characters of the
 * private use area, which are neither letters nor spaces.
 */
const bytewise = (text: string): string =>
  ascii.test(text)
    ? text
    : Buffer.from(text)
        .toString("latin1")
        .replace(/[\x80-\xff]/g, (byte) => String.fromCharCode(0xe100 + byte.charCodeAt(0)))

/** The rules of a file's text. The case of letters counts, as it does for git by default. */
export const parse = (text: string): Ignore =>
  ignore({ ignorecase: false }).add(bytewise(text.replace(/^\uFEFF/, "")))

/** Whether the rules, those of outer folders first, ignore a path. A folder's path ends with `/`. */
export const isIgnored = (rules: ReadonlyArray<Rules>, path: string): boolean => {
  // The innermost file that names a path decides.
  for (let i = rules.length - 1; i >= 0; i--) {
    const { from, matcher } = rules[i]!
    const result = matcher.test(bytewise(from(path)))
    if (result.ignored) return true
    if (result.unignored) return false
  }
  return false
}

/** Text of an ignore file; "" where there is none. */
export const read = Effect.fnUntraced(
  function* (file: string) {
    const fs = yield* FileSystem.FileSystem
    return yield* fs.readFileString(file)
  },
  Effect.orElseSucceed(() => "")
)

/**
 * The rules of a repository that count at a folder in it: those of the folders above, and of `.git/info/exclude`. Where they ignore the
 * folder itself there are none: a folder that is named explicitly is collected even if it is ignored.
 */
export const above = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const rules: Array<Rules> = []
  let prefix = ""
  for (let here = directory; ; here = path.dirname(here)) {
    const below = prefix
    const from = (item: string) => below + item
    if (here !== directory) {
      const text = yield* read(path.join(here, ".gitignore"))
      if (text !== "") rules.unshift({ matcher: parse(text), from })
    }
    if (yield* fs.exists(path.join(here, ".git")).pipe(Effect.orElseSucceed(() => false))) {
      const text = yield* read(path.join(here, ".git", "info", "exclude"))
      if (text !== "") rules.unshift({ matcher: parse(text), from })
      return prefix !== "" && isIgnored(rules, "") ? [] : rules
    }
    if (path.dirname(here) === here) return []
    prefix = `${path.basename(here)}/${prefix}`
  }
})
