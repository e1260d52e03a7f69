/**
 * Initial weights with an induction head: from the first step on, the model tends to go on as the text did after the same token before.
 * Small models that read little text do not find this by themselves.
 *
 *   layer 0, head 0: looks at the position before, by its rotary angles alone, and writes that token's embedding to a subspace of its own
 *   layer 1, all heads: look where that subspace holds the embedding of the present token, and add the embedding found there to the output
 *
 * With u a fixed direction that all embeddings share (it moves all logits alike where the output is tied), V and O with orthonormal rows,
 * orthogonal to u and to each other, e the rest of an embedding, orthogonal to u and O, and D the width of a head:
 *
 *   Wq0 · u = s · angles turned back by one position, Wk0 · u = s · angles, on the pairs that turn fast;  Wv0 = V, Wo0 = Oᵀ
 *   Wq1 = s · V, Wk1 = s · O, on the pairs that turn slowly;  Wv1 = W, Wo1 = Wᵀ for random W
 *
 * Everything else is random as ever. All weights are trained like others from there.
 *
 * Sources: Olsson et al. 2022, "In-context Learning and Induction Heads", arXiv:2209.11895, for what the two heads do; Trockman and Kolter 2023,
 * "Mimetic Initialization of Self-Attention Layers", arXiv:2305.09828, for beginning with the structure of trained weights.
 */
import { type Draw, draws, fillNormal } from "../draws.ts"
import type { Sized } from "../Family.ts"
import type { QwenConfig } from "../Qwen.ts"
import { names } from "./parameters.ts"
import { widthsOf } from "./widths.ts"

/** Norm of the direction that all embeddings share; that of the rest of an embedding is about as large. */
const sharedNorm = (embedding: number): number => 0.02 * Math.sqrt(embedding)
/** Pairs that turn by at least this angle a position tell a position from its neighbours. */
const fastAngle = 0.4
/** Pairs that turn by at most this angle over the whole context compare tokens and not positions. */
const slowAngle = 3
/** Gains of the norms of queries and keys, which make both heads sharp. */
const gains = [1.5, 2] as const
/**
 * Of the rows that make queries and keys. Their norms make it without effect at first; larger rows turn less with an update of a given size, so
 * that the head is still there when it begins to pay.
 */
const matchScale = 4
/** Of the previous token's values and of what is made of them. */
const [valueScale, previousScale, copiedScale] = [0.1, 0.45, 0.8]

/** Rows of length 1, orthogonal to each other and to `others`. */
const orthonormal = (
  count: number,
  width: number,
  others: ReadonlyArray<Float32Array>,
  draw: Draw
): ReadonlyArray<Float32Array> => {
  const rows: Array<Float32Array> = []
  while (rows.length < count) {
    const row = new Float32Array(width)
    fillNormal(row, 1, draw)
    for (const other of [...others, ...rows]) subtract(row, other)
    const norm = Math.hypot(...row)
    rows.push(row.map((value) => value / norm))
  }
  return rows
}

/** Takes the part along a row of length 1 out of `values`, in place. */
const subtract = (values: Float32Array, unit: Float32Array): void => {
  let along = 0
  for (const [index, value] of unit.entries()) along += values[index]! * value
  for (const [index, value] of unit.entries()) values[index]! -= along * value
}

/** A matrix [rows, width] as its rows. */
const rowsOf = (values: Float32Array, width: number): Rows =>
  Array.from({ length: values.length / width }, (_, row) => values.subarray(row * width, (row + 1) * width))

interface Pairs {
  readonly fast: ReadonlyArray<number>
  readonly slow: ReadonlyArray<number>
}

/** Numbers of a head whose rotary pairs turn fast, first halves only, and those whose pairs turn slowly, both halves. */
const pairsOf = ({ model, sequenceLength }: Sized<QwenConfig>): Pairs => {
  const { headWidth } = widthsOf(model)
  const half = headWidth / 2
  const pairs = [...Array(half).keys()]
  const angle = (pair: number) => model.theta ** (-pair / half)
  // The directions that are written and read must fit beside each other.
  const most = Math.floor((model.embedding - 1) / 4)
  const slow = pairs.filter((pair) => angle(pair) * sequenceLength <= slowAngle).slice(-most)
  return {
    fast: pairs.filter((pair) => angle(pair) >= fastAngle),
    slow: [...slow, ...slow.map((pair) => pair + half)]
  }
}

/** Why a model cannot begin so, in a clause; undefined when it can. */
export const inductionFault = (spec: Sized<QwenConfig>): string | undefined => {
  const { layers, qkNorm, tied } = spec.model
  if (layers < 2) return "it has one layer, and an induction head takes two"
  if (!qkNorm) return "its heads have no QK-norm"
  if (!tied) return "its output layer is not the embedding"
  return pairsOf(spec).slow.length < 8
    ? "too few rotary pairs of its heads turn slowly enough for its context: use a larger model.theta or wider heads"
    : undefined
}

type Change = (values: Float32Array) => void
type Rows = ReadonlyArray<Float32Array>

/** Directions of the embedding space, [.., C] each, and the sizes that go with them. */
interface Plan {
  readonly spec: Sized<QwenConfig>
  readonly pairs: Pairs
  /** u. */
  readonly shared: Float32Array
  /** O, where the first layer writes. */
  readonly written: Rows
  /** V, what it reads of an embedding. */
  readonly read: Rows
  /** W, for each group of heads of the second layer. */
  readonly copied: ReadonlyArray<Rows>
}

const scaled = (row: Float32Array, scale: number): Float32Array => row.map((value) => scale * value)

const setRow = (values: Float32Array, row: number, unit: Float32Array, scale = 1): void =>
  values.set(scaled(unit, scale), row * unit.length)

/** Sets a column of a matrix [C, width]. */
const setColumn = (values: Float32Array, column: number, unit: Float32Array, scale: number): void => {
  const width = values.length / unit.length
  for (const [index, value] of unit.entries()) values[index * width + column] = scale * value
}

const setGain =
  (gain: number): Change =>
  (values) =>
    void values.fill(gain)

const changeTable =
  ({ shared, written }: Plan): Change =>
  (table) => {
    for (const row of rowsOf(table, shared.length)) {
      for (const unit of [shared, ...written]) subtract(row, unit)
      for (const [column, value] of shared.entries()) row[column]! += sharedNorm(shared.length) * value
    }
  }

/** Adds the angles of the fast pairs, turned by so many positions, along the shared direction to the rows of head 0. */
const addAngles =
  ({ pairs: { fast }, shared, spec }: Plan, positions: number): Change =>
  (values) => {
    const rows = rowsOf(values, shared.length)
    const half = widthsOf(spec.model).headWidth / 2
    for (const pair of fast) {
      const angle = positions * spec.model.theta ** (-pair / half)
      for (const [row, part] of [
        [pair, Math.cos(angle)],
        [pair + half, Math.sin(angle)]
      ] as const)
        for (const [column, value] of shared.entries())
          rows[row]![column]! += (matchScale * part * value) / Math.sqrt(fast.length)
    }
  }

/** Layer 0: each position holds a part of the embedding of the one before. */
const firstLayer = (plan: Plan): ReadonlyArray<readonly [name: string, change: Change]> => {
  const layer = names.layer(0)
  const { slow } = plan.pairs
  return [
    [layer.query, addAngles(plan, -1)],
    [layer.key, addAngles(plan, 0)],
    [layer.queryNorm, setGain(gains[0])],
    [layer.keyNorm, setGain(gains[0])],
    [
      layer.value,
      (values) => {
        for (const [index, at] of slow.entries()) setRow(values, at, plan.read[index]!, valueScale)
      }
    ],
    [
      layer.attentionOutput,
      (values) => {
        for (const [index, at] of slow.entries()) setColumn(values, at, plan.written[index]!, previousScale)
      }
    ]
  ]
}

/** Layer 1: each position finds the one after the same token, and adds its embedding. */
const secondLayer = ({ copied, pairs, read, spec, written }: Plan) => {
  const layer = names.layer(1)
  const { headWidth, keyValueHeads } = widthsOf(spec.model)
  const perGroup = spec.model.heads / keyValueHeads
  const compares =
    (rows: Rows, heads: number): Change =>
    (values) => {
      values.fill(0)
      for (let head = 0; head < heads; head++)
        for (const [index, at] of pairs.slow.entries())
          setRow(values, head * headWidth + at, rows[index]!, matchScale)
    }
  const changes: ReadonlyArray<readonly [name: string, change: Change]> = [
    [layer.query, compares(read, spec.model.heads)],
    [layer.key, compares(written, keyValueHeads)],
    [layer.queryNorm, setGain(gains[1])],
    [layer.keyNorm, setGain(gains[1])],
    [
      layer.value,
      (values) => {
        for (const [index, unit] of copied.flat().entries()) setRow(values, index, unit, valueScale)
      }
    ],
    [
      layer.attentionOutput,
      (values) => {
        for (let head = 0; head < spec.model.heads; head++)
          for (const [row, unit] of copied[Math.floor(head / perGroup)]!.entries())
            setColumn(values, head * headWidth + row, unit, copiedScale / perGroup)
      }
    ]
  ]
  return changes
}

const planOf = (spec: Sized<QwenConfig>, seed: number): Plan => {
  const { embedding } = spec.model
  const { headWidth, keyValueHeads } = widthsOf(spec.model)
  const draw = draws(seed, "induction")
  const pairs = pairsOf(spec)
  const [shared] = orthonormal(1, embedding, [], draw) as [Float32Array]
  const written = orthonormal(pairs.slow.length, embedding, [shared], draw)
  return {
    spec,
    pairs,
    shared,
    written,
    read: orthonormal(pairs.slow.length, embedding, [shared, ...written], draw),
    copied: Array.from({ length: keyValueHeads }, () => orthonormal(headWidth, embedding, [shared], draw))
  }
}

/** Gives what changes the random initial values of each parameter, which it is given by name, in place. */
export const induction = (spec: Sized<QwenConfig>, seed: number) => {
  const plan = planOf(spec, seed)
  const changes = new Map<string, Change>([
    [names.table, changeTable(plan)],
    ...firstLayer(plan),
    ...secondLayer(plan)
  ])
  // What the shared direction would add everywhere must not drown what the heads read.
  const blind = new Set(
    Array.from({ length: spec.model.layers }, (_, index) => names.layer(index)).flatMap(
      ({ gate, up, value }) => [gate, up, value]
    )
  )
  return (name: string, values: Float32Array): void => {
    changes.get(name)?.(values)
    if (blind.has(name)) for (const row of rowsOf(values, plan.shared.length)) subtract(row, plan.shared)
  }
}
