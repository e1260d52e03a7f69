/**
 * What validation and training know about a language: which documents are written in it, what a complete top-level item is,
 * which texts are well formed, and what prompts to begin with. A language is a value; C and Python are built in, and any package can
 * export another one.
 */
import type { ExternalServices } from "@trainyard/core/Stage"
import { type Effect, type FileSystem, type Path, Predicate, Schema, type Scope } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import type { Compiler } from "./Compiler.ts"
import type { PrefixReader } from "./ViablePrefix.ts"

/** A language's tools cannot be opened, such as a grammar that cannot be loaded. */
export class LanguageUnavailable extends Schema.TaggedError<LanguageUnavailable>()("LanguageUnavailable", {
  message: Schema.String
}) {}

/** Where the last complete top-level item of a text ends. */
export interface LastItem {
  /** Characters of the text up to the end of that item; 0 when the text has no complete item. */
  readonly end: number
  /** Text that closes the blocks that are still open there and hold items of their own, such as "#endif\n". Usually empty. */
  readonly closing: string
}

/** A top-level item of a document, as offsets: its head (`def f(x):`) is `start` to `body`, the rest of it `body` to `end`. */
export interface Item {
  readonly start: number
  readonly body: number
  readonly end: number
}

export type LexemeKind = "keyword" | "punctuation" | "identifier" | "literal" | "comment" | "whitespace"

/** A lexical element of a text. It begins where the one before it ends, the first one at 0. */
export interface Lexeme {
  readonly kind: LexemeKind
  /** Index in the text after it. */
  readonly end: number
}

/** A language that is ready to be used. Nothing here runs the texts that it is given. */
export interface Tools {
  /** Finds the last complete top-level item. It is asked about texts that a token limit cut off at any character. */
  readonly lastItem: (text: string) => LastItem
  /** The first error of a text, as `line:column: message` with both counted from 1; null when the text is well formed. */
  readonly firstError: (text: string) => string | null
  /** The items of a document whose heads make good prompts. Leave out items that have errors. */
  readonly items: (document: string) => ReadonlyArray<Item>
  /**
   * The lexical elements of a document, in order and without a gap: reports then say how well each kind is predicted. Without it they
   * do not.
   */
  readonly lexemes?: ((document: string) => ReadonlyArray<Lexeme>) | undefined
  /** A compiler that checks the same texts, if the language has one. */
  readonly compiler?: Compiler | undefined
}

/** What a language declares. */
export interface Options {
  /** Lower-case name: it stands in configs, reports and cache keys, and names the language of Markdown code blocks. */
  readonly name: string
  /** Name as it is shown, such as "C". */
  readonly title: string
  /** Endings of its files, without the dot. */
  readonly endings: ReadonlyArray<string>
  /** `import.meta.url` of the module that declares it: its code, and all that it imports, is part of the cache key. */
  readonly source: string
  /** Default prompts of samples and completions. */
  readonly prompts: ReadonlyArray<string>
  /** Sentences for the report that say what counts as well formed and what the compiler checks. */
  readonly notes?: ReadonlyArray<string>
  /**
   * Digests or versions of what the language reads besides its code, by name: the compiler of this machine, a grammar file. They are
   * part of the cache key. Planning asks for them, so this must be quick.
   */
  readonly externalDigest?: Effect.Effect<Readonly<Record<string, string>>, unknown, ExternalServices>
  /**
   * Opens what guided generation reads texts with. Every text that it calls complete must be one in which `firstError` finds no error.
   * Without it, texts of this language cannot be guided.
   */
  readonly grammar?: Effect.Effect<PrefixReader, LanguageUnavailable>
  /** Opens the language's tools. They are released with the scope. */
  readonly open: Effect.Effect<
    Tools,
    LanguageUnavailable,
    FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
  >
}

/** A language. Give it to `validate({ language })`. */
export interface Language extends Options {
  readonly _tag: "Language"
}

/**
 * Declares a language.
 *
 * @example
 * ```ts
 * export const json = Language.make({
 *   name: "json",
 *   title: "JSON",
 *   endings: ["json"],
 *   source: import.meta.url,
 *   prompts: ["{"],
 *   open: Effect.succeed({ lastItem, firstError, items })
 * })
 * ```
 */
export const make = (options: Options): Language => ({ ...options, _tag: "Language" })

export const isLanguage = (value: unknown): value is Language =>
  Predicate.isTagged(value, "Language") && "open" in value

export const Status = Schema.Literals(["parses", "errors", "unfinished"])

/** What came of parsing a completion. "unfinished": no item after the prompt is complete, so there is nothing to parse. */
export interface Parsed {
  readonly status: typeof Status.Type
  /** The text that was parsed: up to its last complete item, with what closes the blocks open there. Empty when unfinished. */
  readonly text: string
  /** The first error, with line and column from 1; null when there is none. */
  readonly error: string | null
}

export interface Completed {
  readonly prompt: string
  readonly completion: string
  /** Whether the model ended the text itself, with the end token. */
  readonly ended: boolean
}

/**
 * Parses a prompt together with its completion. A text that the token limit cut off is parsed up to its last complete item; one that
 * the model ended itself is parsed to its end.
 */
export const parse = (tools: Tools, { completion, ended, prompt }: Completed): Parsed => {
  const whole = prompt + completion
  const { closing, end } = ended ? { end: whole.length, closing: "" } : tools.lastItem(whole)
  if (end <= prompt.length) return { status: "unfinished", text: "", error: null }
  const text = `${whole.slice(0, end).trimEnd()}\n${closing}`
  const error = tools.firstError(text)
  return { status: error === null ? "parses" : "errors", text, error }
}
