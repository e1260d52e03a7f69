/**
 * A penalty on logits whose sum of exponentials is far from 1, to be added to the loss.
 *
 *   logit[r, v] = Σ c x[r, c] · table[v, c];   loss = weight · Σ r (log Σ v exp(logit[r, v]))² / rows
 *
 * x [.., C], table [V, C], loss [1]; attribute weight, such as 1e-4. The product may be taken in the session's precision.
 * Source: Chowdhery et al. 2022, "PaLM", arXiv:2204.02311, section 5. Gradient: derived.
 */
import type { Operation } from "../Operation.ts"
import { rows, show, width } from "./shape.ts"

export const zLoss: Operation = {
  name: "zLoss",
  inputs: [
    { name: "x", type: "f32" },
    { name: "table", type: "f32" }
  ],
  outputs: [{ name: "loss", type: "f32" }],
  attributes: ["weight"],
  infer: ([x, table]) =>
    x !== undefined && table?.length === 2 && table[1] === width(x)
      ? [[1]]
      : `x must be [.., C] and table [V, C], are ${show(x)} and ${show(table)}`,
  expand: (e) => {
    const x = e.input(0)
    const logits = e.product(e.reshape(x, [rows(x.shape), width(x.shape)]), e.input(1))
    const largest = e.max("logits", { logits }, [1])
    const sums = e.sum("exp(logits - largest)", { logits, largest }, [1])
    const squares = "(largest + log(sums)) * (largest + log(sums))"
    e.put(0, e.sum(`${e.number("weight") / rows(x.shape)} * ${squares}`, { largest, sums }, [0, 1]))
  },
  example: (pick) => {
    const size = pick.side(33)
    return {
      inputs: { x: { shape: [pick.side(5), pick.side(9), size] }, table: { shape: [pick.side(65), size] } },
      attributes: { weight: 0.5 }
    }
  }
}
