/** Sentences for what the kernels find wrong in the values they are given. */

const sentences: Readonly<Record<number, (value: number, limit: number) => string>> = {
  1: (token, last) => `token ${token} is outside the vocabulary, which goes from 0 to ${last}`,
  2: (offset, last) => `offset ${offset} leaves no room for its tokens; it may be 0 to ${last}`,
  4: (row, rows) => `row ${row} is outside a table of ${rows}`,
  5: (slot, last) => `slot ${slot} is outside the key-value cache, whose rows go from 0 to ${last}`,
  3: (target, last) => `target ${target} is outside the vocabulary, which goes from 0 to ${last}`
}

export const sentence = (fault: {
  readonly code: number
  readonly value: number
  readonly limit: number
}): string => sentences[fault.code]?.(fault.value, fault.limit) ?? `a kernel reports fault ${fault.code}`
