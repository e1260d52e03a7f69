/** Which paths a source's globs take, and which globs took nothing. */
import { Glob } from "effect"

export interface Patterns {
  readonly include?: ReadonlyArray<string>
  readonly exclude?: ReadonlyArray<string>
  /** Whether the case of a file's ending counts: whether `*.c` leaves out `A.C`. */
  readonly caseSensitiveEndings?: boolean
}

/** A glob that took nothing, and the nearest thing there was. */
export interface Unmatched {
  readonly setting: "include" | "exclude"
  readonly glob: string
  /** A path that it would take if case did not count, or the folder that it names without taking what is in it. */
  readonly near: string | undefined
}

export interface Globs {
  /** Whether a file with this path (with `/`) is taken: by one of `include` (by all when absent) and by none of `exclude`. */
  readonly matches: (path: string) => boolean
  /** Whether `exclude` leaves out everything below a folder, given without a `/` at its end. */
  readonly excludesFolder: (folder: string) => boolean
  /** The globs that took none of the paths asked about so far. */
  readonly unmatched: () => ReadonlyArray<Unmatched>
}

const compile = (pattern: string) => Glob.make(pattern, { dot: true })

/** The ending of a path in lower case. */
const lowerEnding = (path: string): string => {
  const dot = path.lastIndexOf(".")
  return dot <= path.lastIndexOf("/") ? path : path.slice(0, dot) + path.slice(dot).toLowerCase()
}

/** A pattern with the endings that it names in lower case: of each alternative that ends in one. */
const lowerEndings = (pattern: string): string =>
  pattern.replace(/\.[^./,{}]*(\{[^{}]*\})?(?=$|[,}])/g, (ending) => ending.toLowerCase())

class Pattern {
  readonly text: string
  readonly #hints: boolean
  readonly #exact: Glob.Glob
  readonly #loose: Glob.Glob | undefined
  readonly #folders: Glob.Glob | undefined
  readonly #anyCase: Glob.Glob
  readonly #asFolder: Glob.Glob
  used = false
  near: string | undefined

  constructor(text: string, caseSensitiveEndings: boolean, hints: boolean) {
    this.text = text
    this.#hints = hints
    this.#exact = compile(text)
    this.#loose = caseSensitiveEndings ? undefined : compile(lowerEndings(text))
    const folder = /^(.+?)\/\*\*(\/\*)?$/.exec(text)?.[1]
    this.#folders =
      folder !== undefined ? compile(folder) : /^\*\*(\/\*)?$/.test(text) ? compile("**") : undefined
    // What somebody may have meant: another case, a folder without what is in it, a path from "/".
    const meant = text.toLowerCase().replace(/^\/+/, "")
    this.#anyCase = compile(meant)
    this.#asFolder = compile(`${meant.replace(/\/+$/, "")}/**`)
  }

  matches(path: string): boolean {
    const matched = Glob.match(this.#exact, path) || this.#matchesLoosely(path)
    if (matched) this.used = true
    else if (this.#hints && !this.used && this.near === undefined) {
      const lower = path.toLowerCase()
      if (Glob.match(this.#anyCase, lower) || Glob.match(this.#asFolder, lower)) this.near = path
    }
    return matched
  }

  #matchesLoosely(path: string): boolean {
    if (this.#loose === undefined) return false
    const lower = lowerEnding(path)
    return (lower !== path || this.#loose.pattern !== this.text) && Glob.match(this.#loose, lower)
  }

  takesFolder(folder: string): boolean {
    const taken = this.#folders !== undefined && Glob.match(this.#folders, folder)
    if (taken) this.used = true
    return taken
  }
}

/** Compiles a source's globs. Names with a dot match too. Without `hints` the search for what unmatched globs may mean is saved. */
export const make = (patterns: Patterns, { hints = true } = {}): Globs => {
  const of = (texts: ReadonlyArray<string>) =>
    texts.map((text) => new Pattern(text, patterns.caseSensitiveEndings ?? false, hints))
  const include = of(patterns.include ?? ["**/*"])
  const exclude = of(patterns.exclude ?? [])
  /** Whether one matches. A pattern that has not matched yet is asked as well, so that one without effect is known. */
  const one = (list: ReadonlyArray<Pattern>, path: string): boolean => {
    let matched = false
    for (const pattern of list) if (!(matched && pattern.used) && pattern.matches(path)) matched = true
    return matched
  }
  const left = (setting: Unmatched["setting"], list: ReadonlyArray<Pattern>): ReadonlyArray<Unmatched> =>
    list.flatMap(({ near, text, used }) => (used ? [] : [{ setting, glob: text, near }]))
  return {
    matches: (path) => {
      const excluded = one(exclude, path)
      return one(include, path) && !excluded
    },
    excludesFolder: (folder) => exclude.some((pattern) => pattern.takesFolder(folder)),
    unmatched: () => [
      ...(patterns.include === undefined ? [] : left("include", include)),
      ...left("exclude", exclude)
    ]
  }
}

/** The globs in words, for messages. */
export const describe = (globs: Patterns): string =>
  [
    globs.include === undefined ? "" : `include ${globs.include.join(", ")}`,
    globs.exclude === undefined ? "" : `exclude ${globs.exclude.join(", ")}`
  ]
    .filter((part) => part !== "")
    .join("; ")
