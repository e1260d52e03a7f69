/**
 * Attention without a matrix of scores, for `attention`, `groupedAttention` and their cached forms: a thread takes one query, keeps it and its
 * result in registers, and goes over the keys, which a workgroup loads into its memory a strip at a time. The softmax is taken as the keys come
 * (FlashAttention, arXiv:2205.14135).
 */

import { literal } from "../formulas.ts"
import { KernelText, type Value } from "../KernelText.ts"
import { type Context, type Result, store } from "../Lowering.ts"

/** Rows of heads in a buffer: element d of head h at position t of text b is `offset + (b · positions + t) · width + h · size + d`. */
export interface Heads {
  readonly value: Value
  readonly positions: number
  readonly width: number
  readonly offset: number
}

export interface Attention {
  readonly batch: number
  readonly heads: number
  /** Heads of keys and values; each serves heads / groups queries. */
  readonly groups: number
  /** Width of a head. */
  readonly size: number
  /** Queries of a text, and keys of its row. */
  readonly time: number
  readonly keys: number
  readonly query: Heads
  readonly key: Heads
  readonly value: Heads
  /** The first key that each query sees, i32 [B, T]; 0 where it is absent. */
  readonly starts?: Value | undefined
  /** Keys before a text's first query, i32 [1] or [B], and rows of the keys that texts have, i32 [B]. */
  readonly offset?: { readonly value: Value; readonly each: boolean } | undefined
  readonly slots?: Value | undefined
}

/** Threads of a workgroup: queries, or keys in the backward pass. */
export const lanes = 64

/** Rows that a workgroup loads at a time: two strips of them are within the memory that every adapter has. */
export const stripOf = (size: number): number =>
  Math.max(1, Math.min(32, Math.floor(16_384 / (2 * 16 * Math.ceil(size / 4)))))

export const range = (count: number): ReadonlyArray<number> => [...Array(count).keys()]

/** Fours of a head. */
export const foursOf = (size: number): number => Math.ceil(size / 4)

/** Four numbers of a head from a buffer, zeros beyond its width. */
export const four = (buffer: string, base: string, index: number, size: number): string => {
  const numbers = range(4).map((at) =>
    4 * index + at < size ? `${buffer}[${base} + ${4 * index + at}]` : "0f"
  )
  return `vec4f(${numbers.join(", ")})`
}

/** Where a head begins. */
export const baseOf = (
  { offset, positions, width }: Heads,
  size: number,
  row: string,
  position: string,
  head: string
): string => `(${row} * ${positions} + ${position}) * ${width} + ${head} * ${size} + ${offset}`

/** Statements that declare `text`, `head`, `kin` (its keys' head), `first` and `row` for a workgroup of a head's queries. */
export const numbered = (kernel: KernelText, all: Attention, perText: number, blocks: number) => [
  `let block = group % ${blocks};`,
  `let textAndHead = group / ${blocks};`,
  `let text = textAndHead / ${perText};`,
  `let head = textAndHead - text * ${perText};`,
  `let row = ${all.slots === undefined ? "text" : `${kernel.read(all.slots)}[text]`};`,
  `let before = ${all.offset === undefined ? "0" : `${kernel.read(all.offset.value)}[${all.offset.each ? "text" : "0"}]`};`
]

/** Statements by which a workgroup loads `strip` rows from position `strip` on into workgroup memory `into`; `limit` ends them. */
export const load = (
  kernel: KernelText,
  into: string,
  rows: Heads,
  size: number,
  { head, limit, row }: { readonly row: string; readonly head: string; readonly limit: string }
): ReadonlyArray<string> => {
  const strip = stripOf(size)
  const fours = foursOf(size)
  const buffer = kernel.read(rows.value)
  const base = baseOf(rows, size, row, "(strip + one)", head)
  const number = (at: number) => {
    const one = `${buffer}[begin + ${at}]`
    return size % 4 === 0 ? one : `select(0f, ${one}, part * 4 + ${at} < ${size})`
  }
  return [
    `for (var e = lane; e < ${strip * fours}; e = e + ${lanes}) {`,
    `let one = e / ${fours};`,
    `let part = e - one * ${fours};`,
    `let begin = ${base} + part * 4;`,
    "var numbers = vec4f();",
    `if (strip + one < ${limit}) { numbers = vec4f(${range(4).map(number).join(", ")}); }`,
    `${into}[e] = numbers;`,
    "}"
  ]
}

export const stripMemory = (name: string, size: number): string =>
  `var<workgroup> ${name}: array<vec4f, ${stripOf(size) * foursOf(size)}>;`

/** Appends the forward pass: y [B, T, heads · size], and logSumExp [B, heads, T] where it is wanted. */
export const attend = (
  context: Context,
  all: Attention,
  y: Result | undefined,
  logSumExp: Result | undefined
): void => {
  const { batch, groups, heads, keys, size, time } = all
  const kernel = new KernelText()
  const fours = foursOf(size)
  const strip = stripOf(size)
  const blocks = Math.ceil(time / lanes)
  const query = kernel.read(all.query.value)
  const sums = range(fours)
  const begins = all.starts === undefined ? "0" : `${kernel.read(all.starts)}[text * ${time} + t]`
  const kin = { row: "row", head: "kin", limit: "end" }
  const stored = [
    ...(y === undefined
      ? []
      : range(size).map((d) =>
          store(
            kernel,
            y,
            `(text * ${time} + t) * ${heads * size} + head * ${size} + ${d}`,
            `y${Math.floor(d / 4)}.${"xyzw"[d % 4]} / total`
          )
        )),
    ...(logSumExp === undefined
      ? []
      : [store(kernel, logSumExp, `(text * ${heads} + head) * ${time} + t`, "(largest + log(total))")])
  ]
  context.dispatch(
    kernel.done(context.step.operation, {
      size: lanes,
      groups: batch * heads * blocks,
      declarations: [stripMemory("stripK", size), stripMemory("stripV", size)],
      body: [
        ...numbered(kernel, all, heads, blocks),
        `let kin = head / ${heads / groups};`,
        `let isQuery = block * ${lanes} + lane < ${time};`,
        `let t = min(block * ${lanes} + lane, ${time - 1});`,
        `let base = ${baseOf(all.query, size, "text", "t", "head")};`,
        ...sums.flatMap((c) => [
          `let q${c} = ${four(query, "base", c, size)} * ${literal(1 / Math.sqrt(size))};`,
          `var y${c} = vec4f();`
        ]),
        `let begin_ = ${begins};`,
        "let last = before + t;",
        // Keys that some query of the workgroup sees.
        `let end = min(${keys}, before + min(block * ${lanes} + ${lanes}, ${time}));`,
        "var largest = -3.4028234e38f;",
        "var total = 0f;",
        `for (var strip = 0; strip < end; strip = strip + ${strip}) {`,
        ...load(kernel, "stripK", all.key, size, kin),
        ...load(kernel, "stripV", all.value, size, kin),
        "workgroupBarrier();",
        `for (var one = max(0, begin_ - strip); one <= min(${strip - 1}, last - strip); one = one + 1) {`,
        `let at = one * ${fours};`,
        `let score = ${sums.map((c) => `dot(q${c}, stripK[at + ${c}])`).join(" + ")};`,
        "if (score > largest) {",
        "let less = exp(largest - score);",
        "total = total * less;",
        ...sums.map((c) => `y${c} = y${c} * less;`),
        "largest = score;",
        "}",
        "let p = exp(score - largest);",
        "total = total + p;",
        ...sums.map((c) => `y${c} = y${c} + p * stripV[at + ${c}];`),
        "}",
        "workgroupBarrier();",
        "}",
        "if (isQuery) {",
        ...stored,
        "}"
      ]
    })
  )
}
