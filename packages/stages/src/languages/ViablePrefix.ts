/**
 * Reads a text of a language from its beginning, byte by byte, and says whether it can still become a text of that language: whether it is a
 * viable prefix. A prefix is a value: reading more gives another one, so that a reader can try what follows and drop it.
 */

/**
 * What matters to declarations among bytes that were read, in order: a name that is declared begins (`at` is the index of its first byte) or ends (`at`
 * is the index of the first byte after it), a block opens or closes, a declaration ends.
 */
export type DeclarationEvent =
  | { readonly event: "name" | "name-end"; readonly at: number }
  | { readonly event: "open" | "close" | "end" }

export interface Prefix {
  /**
   * The prefix with more bytes of UTF-8 text after it, which may end within a lexeme or a character; undefined where nothing that could follow
   * would make it a text of the language.
   */
  readonly read: (bytes: Uint8Array) => Prefix | undefined
  /** What is declared among the bytes that were read last. */
  readonly declared: ReadonlyArray<DeclarationEvent>
  /** Whether the text so far is whole: one or more complete top-level items, and nothing that is not complete. */
  readonly complete: boolean
  /**
   * A short text, as UTF-8 bytes, after which the text is complete; empty where it is already. Undefined where none was found, which `read`
   * avoids but does not rule out.
   */
  readonly closing: () => Uint8Array | undefined
  /** An estimate of the length of `closing` in bytes, which costs little and is mostly too high. */
  readonly distance: () => number
}

/** What guided generation needs of a language. */
export interface PrefixReader {
  /** The prefix of no bytes. What is remembered of texts that begin with it is freed with it. */
  readonly begin: () => Prefix
  /** What in a text before generation no prefix can have, such as sections that another compiler reads, as the judge leaves it out. */
  readonly prepare: (text: string) => string
}
