/**
 * The gradient of attention, from the kept log-sum-exp and without a matrix of scores: one kernel has a thread for each query and goes over
 * the keys, another has a thread for each key and goes over the queries. See program/operations/attention.ts for the formulas.
 */
import { literal } from "../formulas.ts"
import { type Dispatch, KernelText, type Value } from "../KernelText.ts"
import { type Context, type Result, store } from "../Lowering.ts"
import {
  type Attention,
  baseOf,
  four,
  foursOf,
  type Heads,
  lanes,
  load,
  numbered,
  range,
  stripMemory,
  stripOf
} from "./attention.ts"

export interface Backward extends Attention {
  readonly dy: Heads
  readonly y: Heads
  readonly logSumExp: Value
}

/** Where a gradient goes: rows of heads in a result. */
export interface Gradient {
  readonly result: Result
  readonly heads: Heads
}

/** delta [B, heads, T] = Σ d dy · y, into working memory. */
const deltaOf = (context: Context, { batch, dy, heads, size, time, y }: Backward): Value => {
  const delta = context.scratch(batch * heads * time)
  const kernel = new KernelText()
  const [a, b] = [kernel.read(dy.value), kernel.read(y.value)]
  context.dispatch(
    kernel.each(context.step.operation, delta.length, [
      `let textAndHead = i / ${time};`,
      `let text = textAndHead / ${heads};`,
      `let base = ${baseOf(dy, size, "text", `(i - textAndHead * ${time})`, `(textAndHead - text * ${heads})`)};`,
      "var sum = 0f;",
      `for (var d = 0; d < ${size}; d = d + 1) { sum = sum + ${a}[base + d] * ${b}[base + d]; }`,
      `${kernel.write(delta)}[i] = sum;`
    ])
  )
  return delta
}

/** Stores the numbers of a head that are in registers. */
const put = (
  kernel: KernelText,
  { heads, result }: Gradient,
  name: string,
  size: number,
  at: { readonly position: string; readonly head: string }
): ReadonlyArray<string> => [
  `let ${name}Base = ${baseOf(heads, size, "text", at.position, at.head)};`,
  ...range(size).map((d) =>
    store(kernel, result, `${name}Base + ${d}`, `${name}${Math.floor(d / 4)}.${"xyzw"[d % 4]}`)
  )
]

/** dq: a thread has a query, its dy, and the sum. */
const queryGradient = (context: Context, all: Backward, delta: Value, gradient: Gradient): void => {
  const { batch, dy, groups, heads, key, query, size, time, value } = all
  const kernel = new KernelText()
  const parts = range(foursOf(size))
  const blocks = Math.ceil(time / lanes)
  const [q, g] = [kernel.read(query.value), kernel.read(dy.value)]
  const place = `(text * ${heads} + head) * ${time} + t`
  const kin = { row: "text", head: "kin", limit: "end" }
  context.dispatch(
    kernel.done(context.step.operation, {
      size: lanes,
      groups: batch * heads * blocks,
      declarations: [stripMemory("stripK", size), stripMemory("stripV", size)],
      body: [
        ...numbered(kernel, all, heads, blocks),
        `let kin = head / ${heads / groups};`,
        `let t = min(block * ${lanes} + lane, ${time - 1});`,
        `let base = ${baseOf(query, size, "text", "t", "head")};`,
        `let baseG = ${baseOf(dy, size, "text", "t", "head")};`,
        ...parts.flatMap((c) => [
          `let q${c} = ${four(q, "base", c, size)} * ${literal(1 / Math.sqrt(size))};`,
          `let g${c} = ${four(g, "baseG", c, size)};`,
          `var dq${c} = vec4f();`
        ]),
        `let sums = ${kernel.read(all.logSumExp)}[${place}];`,
        `let delta = ${kernel.read(delta)}[${place}];`,
        `let begin_ = ${all.starts === undefined ? "0" : `${kernel.read(all.starts)}[text * ${time} + t]`};`,
        `let end = min(block * ${lanes} + ${lanes}, ${time});`,
        `for (var strip = 0; strip < end; strip = strip + ${stripOf(size)}) {`,
        ...load(kernel, "stripK", key, size, kin),
        ...load(kernel, "stripV", value, size, kin),
        "workgroupBarrier();",
        `for (var one = max(0, begin_ - strip); one <= min(${stripOf(size) - 1}, t - strip); one = one + 1) {`,
        `let at = one * ${parts.length};`,
        `let score = ${parts.map((c) => `dot(q${c}, stripK[at + ${c}])`).join(" + ")};`,
        `let dp = ${parts.map((c) => `dot(g${c}, stripV[at + ${c}])`).join(" + ")};`,
        "let ds = exp(score - sums) * (dp - delta);",
        ...parts.map((c) => `dq${c} = dq${c} + ds * stripK[at + ${c}];`),
        "}",
        "workgroupBarrier();",
        "}",
        `if (block * ${lanes} + lane < ${time}) {`,
        ...parts.map((c) => `dq${c} = dq${c} * ${literal(1 / Math.sqrt(size))};`),
        ...put(kernel, gradient, "dq", size, { position: "t", head: "head" }),
        "}"
      ]
    })
  )
}

/** The dispatch of dk and dv: a thread has a key and its value, and the sums over the queries of all heads of its group. */
const keyGradient = (
  context: Context,
  all: Backward,
  delta: Value,
  dKey: Gradient | undefined,
  dValue: Gradient | undefined
): Dispatch => {
  const { batch, dy, groups, heads, key, query, size, starts, time, value } = all
  const kernel = new KernelText()
  const parts = range(foursOf(size))
  const blocks = Math.ceil(time / lanes)
  const [k, v] = [kernel.read(key.value), kernel.read(value.value)]
  const kin = { row: "text", head: "queryHead", limit: `${time}` }
  const place = `(text * ${heads} + queryHead) * ${time} + t`
  const sees = starts === undefined ? "" : `if (u < ${kernel.read(starts)}[text * ${time} + t]) { continue; }`
  return kernel.done(context.step.operation, {
    size: lanes,
    groups: batch * groups * blocks,
    declarations: [stripMemory("stripQ", size), stripMemory("stripG", size)],
    body: [
      ...numbered(kernel, all, groups, blocks),
      `let u = min(block * ${lanes} + lane, ${time - 1});`,
      `let base = ${baseOf(key, size, "text", "u", "head")};`,
      `let baseV = ${baseOf(value, size, "text", "u", "head")};`,
      ...parts.flatMap((c) => [
        `let k${c} = ${four(k, "base", c, size)} * ${literal(1 / Math.sqrt(size))};`,
        `let v${c} = ${four(v, "baseV", c, size)};`,
        `var dk${c} = vec4f();`,
        `var dv${c} = vec4f();`
      ]),
      `for (var queryHead = head * ${heads / groups}; queryHead < (head + 1) * ${heads / groups}; queryHead = queryHead + 1) {`,
      // The first query of a strip that any key of the workgroup is seen by.
      `let start = block * ${lanes} - (block * ${lanes}) % ${stripOf(size)};`,
      `for (var strip = start; strip < ${time}; strip = strip + ${stripOf(size)}) {`,
      ...load(kernel, "stripQ", query, size, kin),
      ...load(kernel, "stripG", dy, size, kin),
      "workgroupBarrier();",
      `for (var one = max(0, u - strip); one < min(${stripOf(size)}, ${time} - strip); one = one + 1) {`,
      "let t = strip + one;",
      sees,
      `let at = one * ${parts.length};`,
      `let score = ${parts.map((c) => `dot(k${c}, stripQ[at + ${c}])`).join(" + ")};`,
      `let dp = ${parts.map((c) => `dot(v${c}, stripG[at + ${c}])`).join(" + ")};`,
      `let p = exp(score - ${kernel.read(all.logSumExp)}[${place}]);`,
      `let ds = p * (dp - ${kernel.read(delta)}[${place}]);`,
      ...parts.flatMap((c) => [
        `dv${c} = dv${c} + p * stripG[at + ${c}];`,
        `dk${c} = dk${c} + ds * stripQ[at + ${c}];`
      ]),
      "}",
      "workgroupBarrier();",
      "}",
      "}",
      `if (block * ${lanes} + lane < ${time}) {`,
      ...parts.map((c) => `dk${c} = dk${c} * ${literal(1 / Math.sqrt(size))};`),
      ...(dKey === undefined ? [] : put(kernel, dKey, "dk", size, { position: "u", head: "head" })),
      ...(dValue === undefined ? [] : put(kernel, dValue, "dv", size, { position: "u", head: "head" })),
      "}"
    ]
  })
}

/** Appends the backward pass of the gradients that are wanted. */
export const attendBackward = (
  context: Context,
  all: Backward,
  wanted: {
    readonly query: Gradient | undefined
    readonly key: Gradient | undefined
    readonly value: Gradient | undefined
  }
): void => {
  const delta = deltaOf(context, all)
  if (wanted.query !== undefined) queryGradient(context, all, delta, wanted.query)
  if (wanted.key === undefined && wanted.value === undefined) return
  const both = keyGradient(context, all, delta, wanted.key, wanted.value)
  if (both.bound.length <= context.limits.buffers) {
    context.dispatch(both)
    return
  }
  context.dispatch(keyGradient(context, all, delta, wanted.key, undefined))
  context.dispatch(keyGradient(context, all, delta, undefined, wanted.value))
}
