/**
 * `groupedAttention` with a key-value cache, for generation: keys and values [S, P, K·D] are session state. The T new keys and values are
 * written at positions offset .. offset+T, and new token t sees positions 0 .. offset+t.
 *
 * query and y [B, T, H·D], key and value [B, T, K·D], offset i32 [1] or [B], offset + T ≤ P, slots i32 [B] or absent: see cacheRows.ts.
 * Attributes heads H and groups K. It has no gradient.
 */
import type { Expansion } from "../Expansion.ts"
import type { Operation } from "../Operation.ts"
import type { StridedArray } from "../StridedArray.ts"
import { cacheFault, slotsOf } from "./cacheRows.ts"
import { byHead, groupSizes, groupsFault, turned, unseen } from "./groupedAttention.ts"
import { same, show } from "./shape.ts"

/** Offsets as [1 or B, 1, .., 1], to be broadcast. */
const offsetOf = (e: Expansion, axes: number): StridedArray => {
  const offset = e.input(5)
  return e.reshape(offset, [offset.shape[0]!, ...Array.from({ length: axes - 1 }, () => 1)])
}

/** Writes new rows [B, T, C] into the rows of a cache [S, P, C] that `slots` [B] names, in place. */
const rememberInSlots = (e: Expansion, rows: StridedArray, slots: StridedArray, output: number) => {
  const [batch, time, width] = rows.shape as [number, number, number]
  const cache = e.output(output)!
  const [count, positions] = cache.shape as [number, number, number]
  const one = [1, 1, 1, batch * time]
  const each = [batch, time]
  const arrays = {
    slot: e.reshape(e.map("slots", { slots: e.reshape(slots, [batch, 1]) }, each), one),
    at: e.reshape(e.map("offset + i1", { offset: offsetOf(e, 2) }, each), one)
  }
  const shape = e.broadcast(arrays.slot, [count, positions, 1, batch * time])
  const isHere = "equal(i0, slot) * equal(i1, at)"
  const isNew = e.sum(isHere, { ...arrays, shape }, [-1])
  const turnedRows = e.transpose(e.reshape(rows, [batch * time, width]), [1, 0])
  const placed = e.sum(
    `where(${isHere}, rows, 0)`,
    { ...arrays, shape, rows: e.reshape(turnedRows, [1, 1, width, batch * time]) },
    [-1]
  )
  e.putMap(output, "where(isNew, placed, cache)", {
    isNew: e.reshape(isNew, [count, positions, 1]),
    placed: e.reshape(placed, cache.shape),
    cache
  })
}

/** Writes new rows [B, T, C] into a cache [B, P, C], in place. */
const rememberInOrder = (e: Expansion, rows: StridedArray, output: number) => {
  const [batch, time, width] = rows.shape as [number, number, number]
  const cache = e.output(output)!
  const offset = offsetOf(e, 3)
  if (time === 1) return e.putMap(output, "where(equal(i1, offset), rows, cache)", { offset, rows, cache })
  const positions = cache.shape[1]!
  const placed = e.sum(
    "where(equal(i1, offset + i3), rows, 0)",
    {
      offset: offsetOf(e, 4),
      rows: e.reshape(e.transpose(rows, [0, 2, 1]), [batch, 1, width, time]),
      shape: e.broadcast(offsetOf(e, 4), [offset.shape[0]!, positions, 1, 1])
    },
    [-1]
  )
  const isOld = `less(i1, offset) + less(offset + ${time - 1}, i1)`
  e.putMap(output, `where(${isOld}, cache, placed)`, {
    offset,
    cache,
    placed: e.reshape(placed, cache.shape)
  })
}

/** Adds new rows to a cache, and gives the rows [B, P, C] of it that the texts have. */
const remember = (e: Expansion, added: number, output: number): StridedArray => {
  const [rows, slots] = [e.input(added), e.optional(6)]
  if (slots === undefined) {
    rememberInOrder(e, rows, output)
    return e.output(output)!
  }
  rememberInSlots(e, rows, slots, output)
  const cache = e.output(output)!
  const [count, positions, width] = cache.shape as [number, number, number]
  return e.reshape(e.gather(e.reshape(cache, [count, positions * width]), slots), [
    rows.shape[0]!,
    positions,
    width
  ])
}

export const groupedAttentionCached: Operation = {
  name: "groupedAttentionCached",
  inPrecision: true,
  inputs: [
    { name: "query", type: "f32" },
    { name: "key", type: "f32" },
    { name: "value", type: "f32" },
    { name: "keys", type: "f32" },
    { name: "values", type: "f32" },
    { name: "offset", type: "i32" },
    { name: "slots", type: "i32", optional: true }
  ],
  outputs: [
    { name: "y", type: "f32" },
    { name: "keys", type: "f32" },
    { name: "values", type: "f32" }
  ],
  inPlace: [
    { output: 1, input: 3 },
    { output: 2, input: 4 }
  ],
  attributes: ["heads", "groups"],
  infer: ([query, key, value, keys, values, offset, slots], attributes) => {
    const fault = groupsFault(query, key, attributes)
    if (fault !== undefined || query === undefined) return fault ?? "query is absent"
    if (!same(key, value)) return `value must be ${show(key)}, is ${show(value)}`
    const added = [query[0]!, query[1]!, key![2]!] as const
    return cacheFault({ keys, values, offset, slots }, added) ?? [query, keys!, keys!]
  },
  expand: (e) => {
    const sizes = groupSizes(e, 0)
    const offset = offsetOf(e, 5)
    const [keys, values] = [remember(e, 1, 1), remember(e, 2, 2)]
    const positions = keys.shape[1]!
    // Rows beyond the cache are a failure: there is no row of that number to gather. The row itself is 0.
    const checked = e.reshape(e.gather(e.fill(0, [positions - sizes.time + 1, 1]), e.input(5)), offset.shape)
    const product = e.product(byHead(e, e.input(0), sizes), byHead(e, keys, sizes))
    const scale = 1 / Math.sqrt(sizes.size)
    const scores = e.map(`checked + where(less(offset + i3, i4), ${unseen}, ${scale} * product)`, {
      product,
      offset,
      checked
    })
    const largest = e.max("scores", { scores }, [-1])
    const sums = e.sum("exp(scores - largest)", { scores, largest }, [-1])
    const p = e.map("exp(scores - largest) / sums", { scores, largest, sums })
    const y = e.product(p, turned(e, byHead(e, values, sizes)))
    e.putMap(0, "y", { y }, (out) => byHead(e, out, sizes))
  },
  example: (pick) => {
    const [groups, each, size] = [pick.from(1, 2, 3), pick.from(1, 2), pick.side(17)]
    const [batch, time, before] = [pick.side(3), pick.from(1, 1, 2, 5, 9), pick.side(17) - 1]
    const slots = pick.boolean() ? slotsOf(pick, batch) : undefined
    const rows = slots?.count ?? batch
    const cache = { shape: [rows, before + time + pick.integer(0, 3), groups * size] }
    const offsets = pick.boolean() ? Array.from({ length: batch }, () => pick.integer(0, before)) : [before]
    const added = { shape: [batch, time, groups * size], scale: 2 }
    return {
      inputs: {
        query: { shape: [batch, time, groups * each * size], scale: 2 },
        key: added,
        value: added,
        keys: cache,
        values: cache,
        offset: { shape: [offsets.length], values: offsets, type: "i32" },
        ...(slots && { slots: { shape: [batch], values: slots.slots, type: "i32" } })
      },
      attributes: { heads: groups * each, groups }
    }
  }
}
