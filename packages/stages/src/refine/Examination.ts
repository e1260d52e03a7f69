/** What the checks of `refine` say about a document by itself. */
import type { Document } from "../collect/Corpus.ts"

/** Something that was changed in a document's text: what, and in which line of the input, from 1. Never the text that was there. */
export interface Change {
  readonly change: string
  readonly line: number
}

export interface Dropped {
  readonly _tag: "Dropped"
  readonly reason: string
  /** The figure, place or rule that decided. Never a text from the document that a reader should not see. */
  readonly detail: string
}

export interface Kept {
  readonly _tag: "Kept"
  readonly text: string
  readonly changes: ReadonlyArray<Change>
}

export type Examined = Dropped | Kept

/** What the checks know of a document besides its text. */
export type Named = Pick<Document, "path" | "kind">

export const dropped = (reason: string, detail: string): Dropped => ({ _tag: "Dropped", reason, detail })

export const kept = (text: string, changes: ReadonlyArray<Change> = []): Kept => ({
  _tag: "Kept",
  text,
  changes
})
