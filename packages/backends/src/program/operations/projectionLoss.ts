/**
 * The output layer and its loss in one: logits, softmax and cross-entropy, fused so that no engine need hold all logits.
 *
 *   logit[r, v] = Σ c x[r, c] · table[v, c];   logSumExp[r] = log Σ v exp(logit[r, v])
 *   losses[r] = logSumExp[r] - logit[r, targets[r]];   loss = Σ r losses[r] / n
 *   correct[r] = 1 when no logit of row r is larger than the target's, else 0
 *
 * x [.., C], table [V, C] (tied to the embedding), targets i32 of x's rows' shape; loss [1]; losses, correct and
 * logSumExp [..]. A target of -1 is ignored: its losses and correct are 0, and n counts the other rows (at least 1).
 * Losses are in nats. The product may be taken in the session's precision, with float32 sums.
 * Source: Bridle 1990 (softmax); fused as in Liger Kernel, arXiv:2410.10989.
 *
 * Gradient, with p = exp(logit - logSumExp) and e[r, v] = (p[r, v] - (v = targets[r])) · dLoss / n, zero where ignored:
 *   dx[r, c] = Σ v e[r, v] · table[v, c];   dTable[v, c] = Σ r e[r, v] · x[r, c]
 *
 * dLoss [1] is the gradient of whatever is minimised with respect to this loss: 1, or 1/A when A batches accumulate.
 */
import type { Operation, Shape } from "../Operation.ts"
import { same, show, width } from "./shape.ts"

const rowsShape = (x: Shape): Shape => x.slice(0, -1)

export const projectionLoss: Operation = {
  name: "projectionLoss",
  inPrecision: true,
  inputs: [
    { name: "x", type: "f32" },
    { name: "table", type: "f32" },
    { name: "targets", type: "i32" }
  ],
  outputs: [
    { name: "loss", type: "f32" },
    { name: "losses", type: "f32" },
    { name: "correct", type: "f32", optional: true },
    { name: "logSumExp", type: "f32" }
  ],
  attributes: [],
  infer: ([x, table, targets]) => {
    if (x === undefined || x.length < 2) return `x must be [.., C], is ${show(x)}`
    if (table?.length !== 2 || table[1] !== width(x))
      return `table must be [V, ${width(x)}], is ${show(table)}`
    if (!same(targets, rowsShape(x))) return `targets must be ${show(rowsShape(x))}, is ${show(targets)}`
    return [[1], rowsShape(x), rowsShape(x), rowsShape(x)]
  },
  gradient: ({ append, inputs, outputGradient, outputs }) => {
    const dLoss = outputGradient(0)
    if (dLoss !== undefined)
      append("projectionLossBackward", [dLoss, inputs[0]!, inputs[1]!, inputs[2]!, outputs[3]!], {}, [0, 1])
  }
}

export const projectionLossBackward: Operation = {
  name: "projectionLossBackward",
  inPrecision: true,
  inputs: [
    { name: "dLoss", type: "f32" },
    { name: "x", type: "f32" },
    { name: "table", type: "f32" },
    { name: "targets", type: "i32" },
    { name: "logSumExp", type: "f32" }
  ],
  outputs: [
    { name: "dx", type: "f32", optional: true },
    { name: "dTable", type: "f32", optional: true }
  ],
  accumulates: true,
  attributes: [],
  infer: ([dLoss, x, table, targets, logSumExp]) => {
    if (!same(dLoss, [1])) return `dLoss must be [1], is ${show(dLoss)}`
    if (x === undefined || x.length < 2) return `x must be [.., C], is ${show(x)}`
    if (table?.length !== 2 || table[1] !== width(x))
      return `table must be [V, ${width(x)}], is ${show(table)}`
    return same(targets, rowsShape(x)) && same(logSumExp, rowsShape(x))
      ? [x, table]
      : `targets and logSumExp must be ${show(rowsShape(x))}, are ${show(targets)} and ${show(logSumExp)}`
  }
}
