// Where the texts of a batch stand in a key-value cache. `../faults.ts` has the sentences of the faults.

export const OFFSET: i32 = 2
export const SLOT: i32 = 5

/** The offset of text b; `words` is 1 where each text has one, 0 where all share one. */
// @ts-ignore: decorator
@inline
export function offsetOf(offsets: usize, words: i32, b: i32): i32 {
  return load<i32>(offsets + <usize>(b * words) * 4)
}

/** The row of the cache that text b has. */
// @ts-ignore: decorator
@inline
export function slotOf(slots: usize, b: i32): i32 {
  return slots == 0 ? b : load<i32>(slots + <usize>b * 4)
}
