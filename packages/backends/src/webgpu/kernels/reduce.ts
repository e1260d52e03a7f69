/**
 * The primitive `reduce`. Where the elements of a sum lie beside each other a workgroup takes one sum and its threads share it; elsewhere
 * a thread takes one. Long sums with few results are taken in parts, by one dispatch, and the parts by another. The order is fixed by the shapes.
 */
import { reduceAttributes } from "../../program/primitives.ts"
import { full, kinds } from "../../program/walk.ts"
import { type Arranged, arrange, coordinates, element, indexOf, within } from "../elements.ts"
import { KernelText, type Value } from "../KernelText.ts"
import { type Context, type Lower, type Result, store } from "../Lowering.ts"

export type Kind = "sum" | "max"

const name = (axis: number) => `c${axis}`
const lowest = "-3.4028234e38f"

/** Statements by which the threads of a workgroup join `total` into lane 0's `partial[0]`. */
export const joined = (
  size: number,
  kind: Kind,
  partial = "partial",
  total = "total"
): ReadonlyArray<string> => [
  `${partial}[lane] = ${total};`,
  "workgroupBarrier();",
  `for (var half_ = ${size / 2}; half_ > 0; half_ = half_ / 2) {`,
  `if (lane < half_) { ${partial}[lane] = ${
    kind === "sum"
      ? `${partial}[lane] + ${partial}[lane + half_]`
      : `max(${partial}[lane], ${partial}[lane + half_])`
  }; }`,
  "workgroupBarrier();",
  "}"
]

/** Lanes of a workgroup for rows of this length. */
export const lanesOf = (length: number): number => (length <= 64 ? 32 : length <= 512 ? 64 : 256)

interface Task {
  readonly kind: Kind
  readonly arranged: Arranged
  readonly input: (index: number) => Value
  readonly result: Result
}

/** Threads that share one result, and parts that each result is taken in. */
const shared = ({ kept, reduced, space }: Arranged) => {
  const side = (axes: ReadonlyArray<number>) =>
    axes.reduce((product, axis) => product * space.shape[axis]!, 1)
  const [results, terms] = [side(kept), side(reduced)]
  const last = reduced.at(-1)!
  const isBeside =
    results < 128 || space.views.slice(0, -1).some((view) => Math.abs(view.strides[last]!) === 1)
  const lanes = terms >= 32 && isBeside ? lanesOf(terms) : 1
  const wanted = Math.ceil(16_384 / (results * lanes))
  const parts = Math.max(1, Math.min(wanted, Math.floor(terms / (lanes === 1 ? 128 : lanes * 16)), 1024))
  return { results, terms, lanes, parts, chunk: Math.ceil(terms / parts) }
}

/** One dispatch that reduces each part, into `store` at a result's coordinates and part. */
const reduceParts = (
  operation: string,
  { arranged, input, kind }: Task,
  { chunk, lanes, parts, results, terms }: ReturnType<typeof shared>,
  put: (kernel: KernelText, total: string) => ReadonlyArray<string>
) => {
  const { kept, reduced, space } = arranged
  const kernel = new KernelText()
  const { statements, value } = element(kernel, arranged, input, name)
  const shapeOf = (axes: ReadonlyArray<number>) => axes.map((axis) => space.shape[axis]!)
  const limit = parts === 1 ? `${terms}` : `min(${terms}, (part + 1) * ${chunk})`
  const loop = [
    `var total = ${kind === "sum" ? "0f" : lowest};`,
    `for (var term = part * ${chunk}${lanes > 1 ? " + lane" : ""}; term < ${limit}; term = term + ${lanes}) {`,
    ...coordinates("term", shapeOf(reduced), (axis) => name(reduced[axis]!)),
    ...statements,
    kind === "sum" ? `total = total + ${value};` : `total = max(total, ${value});`,
    "}"
  ]
  const placed = coordinates("place", shapeOf(kept), (axis) => name(kept[axis]!))
  const numbers = (index: string) => [
    `let part = ${parts === 1 ? "0" : `${index} / ${results}`};`,
    `let place = ${parts === 1 ? index : `${index} - part * ${results}`};`,
    ...placed
  ]
  if (lanes === 1)
    return kernel.each(operation, results * parts, [...numbers("i"), ...loop, ...put(kernel, "total")])
  return kernel.done(operation, {
    size: lanes,
    groups: results * parts,
    declarations: [`var<workgroup> partial: array<f32, ${lanes}>;`],
    body: [
      ...numbers("group"),
      ...loop,
      ...joined(lanes, kind),
      "if (lane == 0) {",
      ...put(kernel, "partial[0]"),
      "}"
    ]
  })
}

/** Appends the dispatches of an arranged reduction. */
const reduceArranged = (context: Context, operation: string, task: Task): void => {
  const { arranged, result } = task
  const { kept, output, space } = arranged
  const sharing = shared(arranged)
  const { parts, results } = sharing
  const isInside = within(output, space.shape, name)
  const place = indexOf(output.offset, output.strides, (axis) => (kept.includes(axis) ? name(axis) : "0"))
  const put = (kernel: KernelText, total: string) => {
    const stored = store(kernel, result, place, total)
    return [isInside === undefined ? stored : `if (${isInside}) { ${stored} }`]
  }
  if (parts === 1) {
    context.dispatch(reduceParts(operation, task, sharing, put))
    return
  }
  const scratch = context.scratch(results * parts)
  context.dispatch(
    reduceParts(operation, task, sharing, (kernel, total) => [
      `${kernel.write(scratch)}[part * ${results} + place] = ${total};`
    ])
  )
  const shape = [...kept.map((axis) => space.shape[axis]!), parts]
  const pick = (from: ReadonlyArray<number>, last: number) => [...kept.map((axis) => from[axis]!), last]
  let stride = results
  const strides = kept.map((axis) => (stride /= space.shape[axis]!))
  const from = full({ offset: 0, strides: [...strides, results] }, shape, kinds.floats, 0)
  const to = {
    ...output,
    strides: pick(output.strides, 0),
    low: pick(output.low, 0),
    high: pick(output.high, parts)
  }
  reduceArranged(context, operation, {
    kind: task.kind,
    input: () => scratch,
    result,
    arranged: {
      space: { shape, views: [from, to] },
      kept: kept.map((_, axis) => axis),
      reduced: [kept.length],
      formula: { kind: "input", index: 0 },
      inputView: () => from,
      coordinateView: () => from,
      output: to
    }
  })
}

/** What is reduced: as the attributes of the primitive, with the buffers that its formula names. */
export interface Reduction {
  readonly shape: ReadonlyArray<number>
  readonly formula: string
  readonly names: ReadonlyArray<string>
  readonly views: Parameters<typeof arrange>[0]["views"]
  readonly over: number
  readonly kind: Kind
}

/** Appends a reduction of buffers into a result. */
export const reduceInto = (
  context: Context,
  reduction: Reduction,
  input: (index: number) => Value,
  result: Result
): void =>
  reduceArranged(context, context.step.operation, {
    kind: reduction.kind,
    arranged: arrange(reduction, reduction.over),
    input,
    result
  })

export const reduce: Lower = (context) =>
  reduceInto(context, reduceAttributes(context.step), context.input, context.output(0)!)
