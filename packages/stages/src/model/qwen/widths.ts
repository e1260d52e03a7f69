/** The widths that follow from a config of Qwen3's family. */
import type { QwenConfig } from "../Qwen.ts"

export interface Widths {
  /** Heads of keys and values. */
  readonly keyValueHeads: number
  readonly headWidth: number
  /** Width of all query heads together. */
  readonly query: number
  /** Width of all key heads together, and of all value heads. */
  readonly keyValue: number
  /** Width of the MLP's hidden layer. */
  readonly hidden: number
}

/** The hidden layer is a multiple of this by default: whole vector registers and tiles on every engine. */
const hiddenStep = 64

/** The widths, with the defaults of those that the config leaves out. */
export const widthsOf = ({ embedding, headWidth, heads, hidden, keyValueHeads }: QwenConfig): Widths => {
  const width = headWidth ?? embedding / heads
  const groups = keyValueHeads ?? heads
  return {
    keyValueHeads: groups,
    headWidth: width,
    query: heads * width,
    keyValue: groups * width,
    // SwiGLU has three matrices where GELU has two: 8/3 of the width is as many parameters as 4 times (Shazeer 2020, section 2).
    hidden: hidden ?? Math.ceil((8 * embedding) / 3 / hiddenStep) * hiddenStep
  }
}

/** Why these sizes are invalid, in a clause; undefined when they are valid. */
export const faultOf = (config: QwenConfig): string | undefined => {
  const { embedding, headWidth, heads } = config
  const { headWidth: width, keyValueHeads } = widthsOf(config)
  if (headWidth === undefined && embedding % heads !== 0)
    return `model.heads ${heads} does not divide model.embedding ${embedding}; use a number of heads that does, or give model.headWidth`
  if (width % 2 !== 0)
    return `the width of a head is ${width}, and rotary positions turn pairs of numbers; use an even model.headWidth`
  return heads % keyValueHeads === 0
    ? undefined
    : `model.keyValueHeads ${keyValueHeads} does not divide model.heads ${heads}; use a number that does`
}
