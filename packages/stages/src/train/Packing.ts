/**
 * Whole documents as rows of a batch. A document that fits is put into a row whole; a longer one is cut, at an offset that is drawn anew for each
 * epoch. Rows are filled best fit, the longest piece first, so that little is left over.
 *
 * Source: Ding et al. 2024, "Fewer Truncations Improve Language Modeling", arXiv:2404.10830, section 3; with drawn cuts.
 */
import type { DocumentStarts } from "../dataset/DocumentStarts.ts"
import { type Draw, permutation } from "../model/draws.ts"

/** A stretch of the split: `length` predictions, the first of them of token `target`. */
export interface Piece {
  readonly target: number
  readonly length: number
}

/** Rows of pieces, which have `sequenceLength` predictions together at most. */
export type Rows = ReadonlyArray<ReadonlyArray<Piece>>

/** The documents in a drawn order, each in pieces of at most `sequenceLength` tokens. */
const cut = (starts: DocumentStarts, tokens: number, sequenceLength: number, draw: Draw): Array<Piece> => {
  const pieces: Array<Piece> = []
  for (const index of permutation(starts.length, draw)) {
    const start = starts[index]!
    const end = starts[index + 1] ?? tokens
    // The cuts of a long document are whole rows apart, the first of them anywhere in its first row.
    const first = end - start <= sequenceLength ? end : start + 1 + Math.floor(draw() * sequenceLength)
    for (let from = start, to = first; from < end; from = to, to = Math.min(to + sequenceLength, end))
      pieces.push({ target: from, length: Math.min(to, end) - from })
  }
  return pieces
}

/** The longest first, in their own order where they are as long. */
const byLength = (pieces: ReadonlyArray<Piece>, sequenceLength: number): ReadonlyArray<Piece> => {
  const groups = Array.from({ length: sequenceLength + 1 }, (): Array<Piece> => [])
  for (const piece of pieces) groups[piece.length]!.push(piece)
  return groups.reverse().flat()
}

/** One epoch of a split of `tokens` tokens as rows, in a drawn order. Every token is in one piece. */
export const pack = (starts: DocumentStarts, tokens: number, sequenceLength: number, draw: Draw): Rows => {
  const rows: Array<Array<Piece>> = []
  // By room: the rows that have so much left.
  const open = Array.from({ length: sequenceLength + 1 }, (): Array<number> => [])
  for (const piece of byLength(cut(starts, tokens, sequenceLength, draw), sequenceLength)) {
    let room = piece.length
    while (room < sequenceLength && open[room]!.length === 0) room++
    const row = room < sequenceLength ? open[room]!.pop()! : rows.push([]) - 1
    rows[row]!.push(piece)
    open[room - piece.length]!.push(row)
  }
  return Array.from(permutation(rows.length, draw), (row) => rows[row]!)
}
