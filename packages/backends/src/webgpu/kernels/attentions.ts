/** The operations that are attention: where their queries, keys and values lie, and how a cache is written. */
import { KernelText, type Value } from "../KernelText.ts"
import type { Context, Lower, Result } from "../Lowering.ts"
import { type Attention, attend, type Heads } from "./attention.ts"
import { attendBackward, type Gradient } from "./attentionBackward.ts"

const headsOf = (value: Value, positions: number, width: number, offset = 0): Heads => ({
  value,
  positions,
  width,
  offset
})

/** Sizes and parts of a matrix that holds queries, keys and values side by side. */
const joinedAttention = (context: Context, input: number): Attention => {
  const [batch, time, threeWidths] = context.shape(input) as [number, number, number]
  const heads = context.number("heads")
  const width = threeWidths / 3
  const part = (index: number) => headsOf(context.input(input), time, threeWidths, index * width)
  return {
    batch,
    heads,
    groups: heads,
    size: width / heads,
    time,
    keys: time,
    query: part(0),
    key: part(1),
    value: part(2)
  }
}

/** Sizes and parts of separate queries, keys and values, the inputs from `input` on. */
const groupedParts = (context: Context, input: number): Attention => {
  const [batch, time, width] = context.shape(input) as [number, number, number]
  const narrow = context.shape(input + 1)[2]!
  const heads = context.number("heads")
  return {
    batch,
    heads,
    groups: context.number("groups"),
    size: width / heads,
    time,
    keys: time,
    query: headsOf(context.input(input), time, width),
    key: headsOf(context.input(input + 1), time, narrow),
    value: headsOf(context.input(input + 2), time, narrow)
  }
}

export const attention: Lower = (context) =>
  attend(context, joinedAttention(context, 0), context.output(0), context.output(1))

export const groupedAttention: Lower = (context) =>
  attend(
    context,
    { ...groupedParts(context, 0), starts: context.optional(3) },
    context.output(0),
    context.output(1)
  )

const gradientOf = (result: Result | undefined, heads: Heads): Gradient | undefined =>
  result === undefined ? undefined : { result, heads }

export const attentionBackward: Lower = (context) => {
  const all = joinedAttention(context, 1)
  const rows = (input: number) => headsOf(context.input(input), all.time, all.heads * all.size)
  const result = context.output(0)
  attendBackward(
    context,
    { ...all, dy: rows(0), y: rows(2), logSumExp: context.input(3) },
    {
      query: gradientOf(result, all.query),
      key: gradientOf(result, all.key),
      value: gradientOf(result, all.value)
    }
  )
}

export const groupedAttentionBackward: Lower = (context) => {
  const all = groupedParts(context, 1)
  const rows = (input: number) => headsOf(context.input(input), all.time, all.heads * all.size)
  attendBackward(
    context,
    { ...all, starts: context.optional(4), dy: rows(0), y: rows(5), logSumExp: context.input(6) },
    {
      query: gradientOf(context.output(0), all.query),
      key: gradientOf(context.output(1), all.key),
      value: gradientOf(context.output(2), all.value)
    }
  )
}

interface Cached {
  readonly attention: Attention
  readonly keys: number
  readonly offset: number
  readonly slots: number
}

/** Writes new rows into the caches, and attends to what these then hold. */
const cached = (context: Context, { attention, keys, offset, slots }: Cached): void => {
  const { batch, groups, size, time } = attention
  const width = groups * size
  const positions = context.shape(keys)[1]!
  const slotsGiven = context.optional(slots)
  const offsets = { value: context.input(offset), each: context.shape(offset)[0] !== 1 }
  for (const [output, rows] of [
    [1, attention.key],
    [2, attention.value]
  ] as const) {
    const cache = context.output(output)!.value
    const kernel = new KernelText()
    const from = kernel.read(rows.value)
    const row = slotsGiven === undefined ? "text" : `${kernel.read(slotsGiven)}[text]`
    const first = `${kernel.read(offsets.value)}[${offsets.each ? "text" : "0"}]`
    context.dispatch(
      kernel.each(context.step.operation, batch * time * width, [
        `let line = i / ${width};`,
        `let column = i - line * ${width};`,
        `let text = line / ${time};`,
        `let position = ${first} + line - text * ${time};`,
        `${kernel.write(cache)}[(${row} * ${positions} + position) * ${width} + column] = ${from}[line * ${rows.width} + column + ${rows.offset}];`
      ])
    )
  }
  attend(
    context,
    {
      ...attention,
      keys: positions,
      key: headsOf(context.input(keys), positions, width),
      value: headsOf(context.input(keys + 1), positions, width),
      offset: offsets,
      slots: slotsGiven
    },
    context.output(0),
    undefined
  )
}

export const attentionCached: Lower = (context) =>
  cached(context, { attention: joinedAttention(context, 0), keys: 1, offset: 3, slots: 4 })

export const groupedAttentionCached: Lower = (context) =>
  cached(context, { attention: groupedParts(context, 0), keys: 3, offset: 5, slots: 6 })
