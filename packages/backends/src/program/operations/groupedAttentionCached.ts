/**
 * `groupedAttention` with a key-value cache, for generation: keys and values [B, P, K·D] are session state. The T new keys and values are
 * written at rows offset .. offset+T, and new token t sees rows 0 .. offset+t.
 *
 * query and y [B, T, H·D], key and value [B, T, K·D], offset i32 [1], offset + T ≤ P. Attributes heads H and groups K. It has no gradient.
 */
import type { Expansion } from "../Expansion.ts"
import type { Operation } from "../Operation.ts"
import { byHead, groupSizes, groupsFault, turned, unseen } from "./groupedAttention.ts"
import { same, show } from "./shape.ts"

/** Writes new rows [B, T, C] into a cache [B, P, C], in place. */
const remember = (e: Expansion, added: number, output: number) => {
  const rows = e.input(added)
  const [batch, time, width] = rows.shape as [number, number, number]
  const cache = e.output(output)!
  const offset = e.input(5)
  if (time === 1) {
    e.putMap(output, "where(equal(i1, offset), rows, cache)", { offset, rows, cache })
    return cache
  }
  const positions = cache.shape[1]!
  const placed = e.sum(
    "where(equal(i1, offset + i3), rows, 0)",
    {
      offset,
      rows: e.reshape(e.transpose(rows, [0, 2, 1]), [batch, 1, width, time]),
      shape: e.broadcast(offset, [1, positions, 1, 1])
    },
    [-1]
  )
  const isOld = `less(i1, offset) + less(offset + ${time - 1}, i1)`
  e.putMap(output, `where(${isOld}, cache, placed)`, {
    offset,
    cache,
    placed: e.reshape(placed, cache.shape)
  })
  return cache
}

export const groupedAttentionCached: Operation = {
  name: "groupedAttentionCached",
  inputs: [
    { name: "query", type: "f32" },
    { name: "key", type: "f32" },
    { name: "value", type: "f32" },
    { name: "keys", type: "f32" },
    { name: "values", type: "f32" },
    { name: "offset", type: "i32" }
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
  infer: ([query, key, value, keys, values, offset], attributes) => {
    const fault = groupsFault(query, key, attributes)
    if (fault !== undefined || query === undefined) return fault ?? "query is absent"
    if (!same(key, value)) return `value must be ${show(key)}, is ${show(value)}`
    if (keys?.length !== 3 || keys[0] !== query[0] || keys[2] !== key![2] || !same(keys, values))
      return `keys and values must be [${query[0]}, P, ${key![2]}], are ${show(keys)} and ${show(values)}`
    if (query[1]! > keys[1]!) return `${query[1]} tokens do not fit a cache of ${keys[1]} positions`
    return same(offset, [1]) ? [query, keys, keys] : `offset must be [1], is ${show(offset)}`
  },
  expand: (e) => {
    const sizes = groupSizes(e, 0)
    const offset = e.input(5)
    const [keys, values] = [remember(e, 1, 1), remember(e, 2, 2)]
    const positions = keys.shape[1]!
    // Rows beyond the cache are a failure: there is no row of that number to gather. The row itself is 0.
    const checked = e.reshape(e.gather(e.fill(0, [positions - sizes.time + 1, 1]), offset), [1])
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
    const cache = { shape: [batch, before + time + pick.integer(0, 3), groups * size] }
    const added = { shape: [batch, time, groups * size], scale: 2 }
    return {
      inputs: {
        query: { shape: [batch, time, groups * each * size], scale: 2 },
        key: added,
        value: added,
        keys: cache,
        values: cache,
        offset: { shape: [1], values: [before], type: "i32" }
      },
      attributes: { heads: groups * each, groups }
    }
  }
}
