/** Where pieces that lie one after the other begin, from their lengths: a number of 8 bytes for some of them together. */

/** Pieces whose lengths are added up at most. */
const together = 32

/** Gives where a piece begins; for the number of all pieces, where the last one ends. The lengths must not change. */
export const positionsOf = (lengths: ArrayLike<number>): ((index: number) => number) => {
  const starts = new Float64Array(Math.floor(lengths.length / together) + 1)
  let end = 0
  for (let index = 0; index < lengths.length; index++) {
    end += lengths[index]!
    if ((index + 1) % together === 0) starts[(index + 1) / together] = end
  }
  return (index) => {
    const group = Math.floor(index / together)
    let start = starts[group]!
    for (let at = group * together; at < index; at++) start += lengths[at]!
    return start
  }
}
