/** Prepared programs that read and write texts in slots of a key-value cache. */
import type { Prepared, RunError } from "@trainyard/backends/Backend"
import type { Effect } from "effect"

/** A prepared `read` program, and the tokens of each row that it reads a run. */
export interface Block {
  readonly program: Prepared
  readonly length: number
}

/** A prepared `generate` program with slots that reads one token of each of `rows` texts. */
export interface Width {
  readonly program: Prepared
  readonly rows: number
}

/** Prepared programs over one key-value cache. */
export interface SlotGenerator {
  /** Fewest rows first; the first has 1. None has more than there are slots. */
  readonly widths: ReadonlyArray<Width>
  /** `read` programs of one text. Longest first. */
  readonly blocks: ReadonlyArray<Block>
  /** How many texts are written at once at most. */
  readonly slots: number
  readonly sequenceLength: number
  /** Copies keys and values of the tokens from `start` to `end` of a slot to another. Without it each text reads its own prompt. */
  readonly copy?:
    | ((slot: number, into: number, start: number, end: number) => Effect.Effect<void, RunError>)
    | undefined
}
