/**
 * The stop for loops. A completion is in a loop when its last tokens are one run of at most 64 tokens, written at least 4 times one after the
 * other, and are at least 48 tokens together: 48 times one token, 16 times a run of 3, 4 times a run of 12 or more. The prompt does not count.
 */

export const longestRun = 64
export const leastRepeats = 4
export const leastTokens = 48

/** A loop at the end of a completion. */
export interface Loop {
  /** Tokens of the run that is repeated. */
  readonly length: number
  readonly repeats: number
}

/** Takes the tokens of one completion in turn, and gives the loop that they end in; undefined where there is none. Constant time a token. */
export const loopDetector = () => {
  const tokens: Array<number> = []
  /** For each length of a run, how many of the last tokens equal the one that many before. */
  const matches = new Uint32Array(longestRun + 1)
  return (token: number): Loop | undefined => {
    const at = tokens.push(token) - 1
    let found: Loop | undefined
    for (let length = 1; length <= Math.min(longestRun, at); length++) {
      const matched = tokens[at - length] === token ? matches[length]! + 1 : 0
      matches[length] = matched
      const repeated = matched + length
      if (found === undefined && repeated >= leastTokens && repeated >= leastRepeats * length)
        found = { length, repeats: Math.floor(repeated / length) }
    }
    return found
  }
}
