/**
 * A loss between the tokens of the text and the predictions of a teacher, another model on the same text.
 *
 *   s[r, v] = Σ c x[r, c] · table[v, c] / temperature;   p = softmax(s);   q = softmax of the same from teacherX and teacherTable
 *   total = (1 - weight) · loss + weight · temperature² · Σ r Σ v q[r, v] · (log q[r, v] - log p[r, v]) / n
 *
 * loss [1], the cross-entropy of the same x, table and targets, from `projectionLoss`; x [.., C], table [V, C], teacherX [.., D],
 * teacherTable [V, D], targets i32 of x's rows' shape; total [1], in nats. Rows whose target is -1 are left out, and n counts the others (at
 * least 1). Both products may be taken in the session's precision; all logits of both models are held.
 * Source: Hinton, Vinyals, Dean 2015, arXiv:1503.02531, section 2; between models of one size Furlanello et al. 2018, arXiv:1805.04770.
 * Gradient: derived.
 */
import type { Expansion } from "../Expansion.ts"
import type { Operation } from "../Operation.ts"
import type { StridedArray } from "../StridedArray.ts"
import { rows, same, show, width } from "./shape.ts"

/** The logits of rows of x, divided by the temperature and less than 0 by their largest, and the sums of their exponentials. */
const scores = (e: Expansion, x: StridedArray, table: StridedArray) => {
  const logits = e.product(e.reshape(x, [rows(x.shape), width(x.shape)]), table)
  const largest = e.max("logits", { logits }, [1])
  const scaled = e.map(`(logits - largest) / ${e.number("temperature")}`, { logits, largest })
  return { scaled, sums: e.sum("exp(scaled)", { scaled }, [1]) }
}

export const distillationLoss: Operation = {
  name: "distillationLoss",
  inPrecision: true,
  inputs: [
    { name: "loss", type: "f32" },
    { name: "x", type: "f32" },
    { name: "table", type: "f32" },
    { name: "teacherX", type: "f32" },
    { name: "teacherTable", type: "f32" },
    { name: "targets", type: "i32" }
  ],
  outputs: [{ name: "total", type: "f32" }],
  attributes: ["weight", "temperature"],
  infer: ([loss, x, table, teacherX, teacherTable, targets]) => {
    const inRows = x?.slice(0, -1)
    if (!same(loss, [1])) return `loss must be [1], is ${show(loss)}`
    if (x === undefined || !same(targets, inRows) || !same(teacherX?.slice(0, -1), inRows))
      return `x and teacherX must have the rows of targets, are ${show(x)}, ${show(teacherX)} and ${show(targets)}`
    return same(table, [table?.[0] ?? 0, width(x)]) &&
      same(teacherTable, [table?.[0] ?? 0, width(teacherX ?? [])])
      ? [[1]]
      : `table must be [V, C] and teacherTable [V, D], are ${show(table)} and ${show(teacherTable)}`
  },
  expand: (e) => {
    const [weight, temperature] = [e.number("weight"), e.number("temperature")]
    const targets = e.reshape(e.input(5), [rows(e.input(1).shape), 1])
    const own = scores(e, e.input(1), e.input(2))
    const teacher = scores(e, e.input(3), e.input(4))
    const q = e.map("exp(t) / z", { t: teacher.scaled, z: teacher.sums })
    const difference = "t - log(z) - s + log(y)"
    const divergence = e.sum(
      `where(less(target, 0), 0, q * (${difference}))`,
      { target: targets, q, t: teacher.scaled, z: teacher.sums, s: own.scaled, y: own.sums },
      [0, 1]
    )
    const counted = e.sum("where(less(target, 0), 0, 1)", { target: targets }, [0, 1])
    e.put(
      0,
      e.map(`${1 - weight} * loss + ${weight * temperature ** 2} * divergence / max(counted, 1)`, {
        loss: e.input(0),
        divergence,
        counted
      })
    )
  },
  example: (pick) => {
    const [size, other, entries] = [pick.side(17), pick.side(17), pick.side(33)]
    const shape = [pick.side(3), pick.side(5)]
    return {
      inputs: {
        loss: { shape: [1] },
        x: { shape: [...shape, size] },
        table: { shape: [entries, size] },
        teacherX: { shape: [...shape, other] },
        teacherTable: { shape: [entries, other] },
        targets: { shape, below: entries, least: -1 }
      },
      attributes: { weight: 0.45, temperature: 1.5 }
    }
  }
}
