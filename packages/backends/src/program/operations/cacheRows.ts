/**
 * Where the texts of a batch stand in a key-value cache. offset i32 [1] or [B] counts the cached tokens of all texts, or of each. slots i32
 * [B], or absent, is the row of the cache [S, P, C] that each text has: no two the same; row b for text b where it is absent, and S = B.
 */
import type { Pick } from "../Example.ts"
import type { Shape } from "../Operation.ts"
import { same, show } from "./shape.ts"

/** What is wrong with the shape of an offset. */
export const offsetFault = (offset: Shape | undefined, batch: number): string | undefined =>
  same(offset, [1]) || same(offset, [batch])
    ? undefined
    : `offset must be [1]${batch === 1 ? "" : ` or [${batch}]`}, is ${show(offset)}`

/** What is wrong with a cache for `time` new keys, `width` wide, of `batch` texts. */
export const cacheFault = (
  {
    keys,
    offset,
    slots,
    values
  }: Readonly<Record<"keys" | "values" | "offset" | "slots", Shape | undefined>>,
  [batch, time, width]: readonly [number, number, number]
): string | undefined => {
  const rows = slots === undefined ? batch : keys?.[0]
  if (keys?.length !== 3 || keys[0] !== rows || keys[2] !== width || !same(keys, values))
    return `keys and values must be [${slots === undefined ? batch : "S"}, P, ${width}], are ${show(keys)} and ${show(values)}`
  if (slots !== undefined && !same(slots, [batch])) return `slots must be [${batch}], is ${show(slots)}`
  if (keys[0]! < batch) return `${batch} texts do not fit a cache of ${keys[0]} rows`
  if (time > keys[1]!) return `${time} tokens do not fit a cache of ${keys[1]} positions`
  return offsetFault(offset, batch)
}

/** Slots of an example: different rows, in any order, of a cache that may have more. */
export const slotsOf = (
  pick: Pick,
  batch: number
): { readonly count: number; readonly slots: ReadonlyArray<number> } => {
  const count = batch + pick.integer(0, 3)
  const free = [...Array(count).keys()]
  const slots = Array.from({ length: batch }, () => free.splice(pick.integer(0, free.length - 1), 1)[0]!)
  return { count, slots }
}
