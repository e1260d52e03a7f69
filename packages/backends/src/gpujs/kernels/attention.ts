/**
 * Kernels for `attention`, its gradient and `attentionCached`. Scores and probabilities are matrices with a row for each batch
 * entry, head and query, and a column for each key; what a query may not see is zero in the probabilities.
 */
import type { Context, Lower, Value } from "../Lowering.ts"
import { byFourRows, interleaved } from "./product.ts"

interface Sizes {
  readonly batch: number
  readonly heads: number
  /** Queries of one batch entry. */
  readonly time: number
  /** Keys of one batch entry. */
  readonly keys: number
  readonly width: number
}

const sizesOf = (context: Context, qkv: number, keys?: number): Sizes => {
  const [batch, time, threeWidths] = context.shape(qkv) as [number, number, number]
  return { batch, time, keys: keys ?? time, width: threeWidths / 3, heads: context.attribute("heads") }
}

/** Quotient of a whole number by a positive constant: half is added, so that a division a little off is still right. */
const quotient = (value: string, by: number) => `Math.floor((${value} + 0.5) / ${by}.0)`

/** Declares bh, t, b and h for a kernel whose row is a batch entry, head and query. */
const byQuery = ({ heads, time }: Sizes) => `const bh = ${quotient("this.thread.y", time)};
const t = this.thread.y - bh * ${time};
const batch = ${quotient("bh", heads)};
const head = bh - batch * ${heads};`

/** Declares batch, t and bh for a kernel whose row is a batch entry and query and whose column is one of the model's width. */
const byColumn = ({ heads, time, width }: Sizes) => `const batch = ${quotient("this.thread.y", time)};
const t = this.thread.y - batch * ${time};
const bh = batch * ${heads} + ${quotient("this.thread.x", width / heads)};`

/**
 * Probabilities and their log-sum-exp. Keys are columns `column` onward of `keys`; query t of text b sees `offsets[0][b]` + t + 1 of them.
 */
const probabilities = (
  context: Context,
  sizes: Sizes,
  qkv: Value,
  keys: Value,
  column: number,
  offsets: Value,
  given?: Value
): { readonly p: Value; readonly logSumExp: Value } => {
  const { batch, heads, time, width } = sizes
  const size = width / heads
  const scores = context.launch(
    batch * heads * time,
    sizes.keys,
    [qkv, keys, offsets],
    `${byQuery(sizes)}
let sum = 0.0;
if (this.thread.x <= t + c[0][batch]) {
  const query = batch * ${time} + t;
  const key = batch * ${sizes.keys} + this.thread.x;
  for (let d = 0; d < ${size}; d++) { sum += a[query][head * ${size} + d] * b[key][${column} + head * ${size} + d]; }
}
return sum * ${1 / Math.sqrt(size)};`
  )
  const logSumExp =
    given ??
    context.launch(
      batch * heads,
      time,
      [scores, offsets],
      `const row = this.thread.y * ${time} + this.thread.x;
const batch = ${quotient("this.thread.y", heads)};
const last = this.thread.x + b[0][batch];
let largest = a[row][0];
for (let u = 0; u < ${sizes.keys}; u++) { if (u <= last) { largest = Math.max(largest, a[row][u]); } }
let sum = 0.0;
for (let u = 0; u < ${sizes.keys}; u++) { if (u <= last) { sum += Math.exp(a[row][u] - largest); } }
return largest + Math.log(sum);`
    )
  const p = context.launch(
    scores.rows,
    scores.columns,
    [scores, logSumExp, offsets],
    `${byQuery(sizes)}
let p = 0.0;
if (this.thread.x <= t + c[0][batch]) { p = Math.exp(a[this.thread.y][this.thread.x] - b[bh][t]); }
return p;`
  )
  return { p, logSumExp }
}

/** Declares bh, batch and head for a kernel whose row is four queries, or four keys, of a batch entry and head. */
const byFour = ({ heads, time }: Sizes) => `const bh = ${quotient("this.thread.y", time / 4)};
const batch = ${quotient("bh", heads)};
const head = bh - batch * ${heads};`

/** From products [batch × heads × time, width / heads], interleaved in fours, to [batch × time, width]. */
const joinHeads = (context: Context, sizes: Sizes, products: Value): Value =>
  context.launch(
    sizes.batch * sizes.time,
    sizes.width,
    [products],
    `${byColumn(sizes)}
const row = bh * ${sizes.time} + t;
const group = ${quotient("row", 4)};
const place = this.thread.x - (bh - batch * ${sizes.heads}) * ${sizes.width / sizes.heads};
return a[group][place * 4 + row - group * 4];`
  )

/**
 * For each head Σ over keys u of weight[t, u] · row[u], the heads side by side; a head's rows are its columns of `rows`, from `column` on.
 * `turned` takes weight[u, t] instead: what the later queries give back to a key.
 */
const perHead = (
  context: Context,
  sizes: Sizes,
  weights: Value,
  rows: Value,
  column: number,
  turned = false
): Value => {
  const { batch, heads, keys, time, width } = sizes
  const size = width / heads
  if (!byFourRows(context, time))
    return context.launch(
      batch * time,
      width,
      [weights, rows],
      `${byColumn(sizes)}
const first = batch * ${keys};
let sum = 0.0;
for (let u = 0; u < ${keys}; u++) { sum += ${turned ? `a[bh * ${time} + u][t]` : `a[bh * ${time} + t][u]`} * b[first + u][${column} + this.thread.x]; }
return sum;`
    )
  const product = {
    count: keys,
    a: (y: string, k: string) =>
      turned ? `((query | 0) + ${k}) * ${keys} + ${y} - (query | 0)` : `${y} * ${keys} + ${k}`,
    b: (k: string, x: string) => `(first | 0) + ${k} * ${rows.columns} + ${x}`
  }
  const before = `${byFour(sizes)}
const query = bh * ${time};
const first = batch * ${keys * rows.columns} + ${column} + head * ${size};`
  return joinHeads(
    context,
    sizes,
    interleaved(context, [weights, rows], [batch * heads * time, size], product, before)
  )
}

const noOffsets = (context: Context, batch: number): Value =>
  context.upload(`no offsets of ${batch}`, 1, batch, () => new Float32Array(batch))

/** The offset of each text, [1, B]. */
const offsetsOf = (context: Context, batch: number): Value => {
  const name = context.name(3)
  return context.upload(`offsets ${name} of ${batch}`, 1, batch, (inputs) => {
    const given = inputs[name] ?? []
    return Float32Array.from({ length: batch }, (_, b) => given[given.length === 1 ? 0 : b] ?? 0)
  })
}

/** For each of the `count` rows of a cache the text that has it, -1 where none has: [1, S]. */
const textsOf = (context: Context, count: number): Value => {
  const slots = context.name(4)
  return context.upload(`texts ${slots} of ${count}`, 1, count, (inputs) => {
    const texts = Float32Array.from({ length: count }, (_, row) => (slots === "" ? row : -1))
    for (const [b, slot] of (inputs[slots] ?? []).entries()) texts[slot] = b
    return texts
  })
}

export const attention: Lower = (context) => {
  const sizes = sizesOf(context, 0)
  const qkv = context.input(0)
  const { logSumExp, p } = probabilities(
    context,
    sizes,
    qkv,
    qkv,
    sizes.width,
    noOffsets(context, sizes.batch)
  )
  context.put(0, perHead(context, sizes, p, qkv, 2 * sizes.width))
  context.put(1, logSumExp)
}

/** The gradients of queries, keys and values side by side in one launch, whose threads have one output each. */
const gradients = (
  context: Context,
  sizes: Sizes,
  dScores: Value,
  p: Value,
  qkv: Value,
  dy: Value
): Value => {
  const { batch, heads, time, width } = sizes
  const sum = (weight: string, row: string) =>
    `for (let u = 0; u < ${time}; u++) { sum += ${weight} * ${row}; }`
  return context.launch(
    batch * time,
    3 * width,
    [dScores, p, qkv, dy],
    `const batch = ${quotient("this.thread.y", time)};
const t = this.thread.y - batch * ${time};
const part = ${quotient("this.thread.x", width)};
const column = this.thread.x - part * ${width};
const first = batch * ${time};
const query = (batch * ${heads} + ${quotient("column", width / heads)}) * ${time};
let sum = 0.0;
if (part < 1) { ${sum("a[query + t][u]", `c[first + u][${width} + column]`)} }
if (part == 1) { ${sum("a[query + u][t]", "c[first + u][column]")} }
if (part > 1) { ${sum("b[query + u][t]", "d[first + u][column]")} }
return sum;`
  )
}

export const attentionBackward: Lower = (context) => {
  const sizes = sizesOf(context, 1)
  const { batch, heads, time, width } = sizes
  const size = width / heads
  const [dy, qkv, y] = [context.input(0), context.input(1), context.input(2)]
  const { p } = probabilities(context, sizes, qkv, qkv, width, noOffsets(context, batch), context.input(3))
  const delta = context.launch(
    batch * heads,
    time,
    [dy, y],
    `const batch = ${quotient("this.thread.y", heads)};
const head = this.thread.y - batch * ${heads};
const row = batch * ${time} + this.thread.x;
let sum = 0.0;
for (let d = 0; d < ${size}; d++) { sum += a[row][head * ${size} + d] * b[row][head * ${size} + d]; }
return sum;`
  )
  const dScores = context.launch(
    p.rows,
    p.columns,
    [p, dy, qkv, delta],
    `${byQuery(sizes)}
let sum = 0.0;
if (this.thread.x <= t) {
  const query = batch * ${time} + t;
  const key = batch * ${time} + this.thread.x;
  for (let i = 0; i < ${size}; i++) { sum += b[query][head * ${size} + i] * c[key][${2 * width} + head * ${size} + i]; }
  sum = sum - d[bh][t];
}
return a[this.thread.y][this.thread.x] * sum * ${1 / Math.sqrt(size)};`
  )
  if (context.dialect.four === "columns")
    return context.put(0, gradients(context, sizes, dScores, p, qkv, dy))
  const dq = perHead(context, sizes, dScores, qkv, width)
  const dk = perHead(context, sizes, dScores, qkv, 0, true)
  const dv = perHead(context, sizes, p, dy, 0, true)
  context.put(
    0,
    context.launch(
      batch * time,
      3 * width,
      [dq, dk, dv],
      `let value = 0.0;
if (this.thread.x < ${width}) { value = a[this.thread.y][this.thread.x]; }
if (this.thread.x >= ${width} && this.thread.x < ${2 * width}) { value = b[this.thread.y][this.thread.x - ${width}]; }
if (this.thread.x >= ${2 * width}) { value = c[this.thread.y][this.thread.x - ${2 * width}]; }
return value;`
    )
  )
}

export const attentionCached: Lower = (context) => {
  const [count, positions] = context.shape(1) as [number, number]
  const sizes = sizesOf(context, 0, positions)
  const { batch, time, width } = sizes
  const [offsets, texts, slots] = [offsetsOf(context, batch), textsOf(context, count), context.name(4)]
  const qkv = context.input(0)
  const kept = (cache: Value, column: number) =>
    context.launch(
      count * positions,
      width,
      [cache, qkv, offsets, texts],
      `const slot = ${quotient("this.thread.y", positions)};
const text = d[0][slot];
const batch = Math.max(0.0, text);
const t = this.thread.y - slot * ${positions} - c[0][batch];
let value = a[this.thread.y][this.thread.x];
if (text >= 0.0 && t >= 0 && t < ${time}) { value = b[batch * ${time} + t][${column} + this.thread.x]; }
return value;`
    )
  /** The rows that the texts have, in their order. */
  const inOrder = (cache: Value) =>
    slots === ""
      ? cache
      : context.launch(
          batch * positions,
          width,
          [cache, context.integers(slots)],
          `const batch = ${quotient("this.thread.y", positions)};
const slot = b[0][batch];
return a[slot * ${positions} + this.thread.y - batch * ${positions}][this.thread.x];`
        )
  const keys = kept(context.input(1), width)
  const values = kept(context.input(2), 2 * width)
  const { p } = probabilities(context, sizes, qkv, inOrder(keys), 0, offsets)
  context.put(0, perHead(context, sizes, p, inOrder(values), 0))
  context.put(1, keys)
  context.put(2, values)
}
