/**
 * Token plus position embedding.
 *
 *   y[b, t, :] = table[tokens[b, t], :] + positions[offset[b] + t, :]
 *
 * tokens is i32 [B, T], offset i32 [1] for all texts or [B] (zero in training; the number of cached tokens in generation),
 * table [V, C], positions [P, C] with offset + T ≤ P, y [B, T, C]. A token outside 0..V-1 is an engine failure.
 * Source: Radford et al. 2019, GPT-2; `wte` and `wpe` of its published model.
 *
 * Gradient: each row of dy is added to the row of the table and of the positions that it came from:
 *   dTable[v, :] = Σ over (b, t) with tokens[b, t] = v of dy[b, t, :]
 *   dPositions[p, :] = Σ over b of dy[b, p - offset[b], :]; rows that no token used are zero.
 * The sum over (b, t) is taken in row order, so the result does not depend on threads.
 */
import type { Operation } from "../Operation.ts"
import { offsetFault } from "./cacheRows.ts"
import { same, show } from "./shape.ts"

export const embedding: Operation = {
  name: "embedding",
  inputs: [
    { name: "tokens", type: "i32" },
    { name: "offset", type: "i32" },
    { name: "table", type: "f32" },
    { name: "positions", type: "f32" }
  ],
  outputs: [{ name: "y", type: "f32" }],
  attributes: [],
  infer: ([tokens, offset, table, positions]) => {
    if (tokens?.length !== 2) return `tokens must be [B, T], is ${show(tokens)}`
    if (table?.length !== 2 || positions?.length !== 2 || table[1] !== positions[1])
      return `table [V, C] and positions [P, C] must have one width, are ${show(table)} and ${show(positions)}`
    if (tokens[1]! > positions[0]!) return `${tokens[1]} tokens do not fit ${positions[0]} positions`
    return offsetFault(offset, tokens[0]!) ?? [[tokens[0]!, tokens[1]!, table[1]!]]
  },
  gradient: ({ append, inputs, outputGradient }) => {
    const dy = outputGradient(0)
    if (dy !== undefined) append("embeddingBackward", [dy, inputs[0]!, inputs[1]!], {}, [2, 3])
  }
}

export const embeddingBackward: Operation = {
  name: "embeddingBackward",
  inputs: [
    { name: "dy", type: "f32" },
    { name: "tokens", type: "i32" },
    { name: "offset", type: "i32" }
  ],
  outputs: [
    { name: "dTable", type: "f32", optional: true },
    { name: "dPositions", type: "f32", optional: true }
  ],
  accumulates: true,
  attributes: [],
  infer: ([dy, tokens, offset], _attributes, [dTable, dPositions]) => {
    if (dy?.length !== 3 || !same(tokens, dy.slice(0, 2)))
      return `dy must be [B, T, C] with tokens [B, T], are ${show(dy)} and ${show(tokens)}`
    for (const rows of [dTable, dPositions])
      if (rows !== undefined && (rows.length !== 2 || rows[1] !== dy[2]))
        return `dTable and dPositions must be ${dy[2]} wide, are ${show(dTable)} and ${show(dPositions)}`
    if (dPositions !== undefined && dPositions[0]! < dy[1]!)
      return `${dy[1]} tokens do not fit ${dPositions[0]} positions`
    return offsetFault(offset, dy[0]!) ?? [dTable ?? [], dPositions ?? []]
  }
}
