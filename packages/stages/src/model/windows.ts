/**
 * How a document is divided into windows so that a transformer predicts each of its tokens once, with as much context as there is.
 *
 * The rule, the same for the model and for the n-gram baselines: a token is predicted from what comes before it in its own document
 * and from the document's start, which is an end token, as it is in the training stream; never from another document. A
 * model of sequence length T sees at most T of these. A longer document is read in windows of T that overlap: each goes on T / 2
 * tokens after the one before (the last one ends with the document), and only tokens not yet predicted count, so that
 * each has at least T / 2 before it, or all there is.
 */

/** One window: inputs `document[first]` on, where index -1 is the end token before the document. */
export interface Window {
  /** Index in the document of the token that the window's first input predicts. */
  readonly first: number
  /** Inputs in the window. */
  readonly length: number
  /** Predictions at its beginning that an earlier window has made. */
  readonly repeated: number
}

const strideOf = (sequenceLength: number): number => Math.max(1, Math.floor(sequenceLength / 2))

/** Tokens that a token is predicted from at least, where so many come before it. */
export const leastContext = (sequenceLength: number): number => sequenceLength - strideOf(sequenceLength) + 1

/** The windows of a document of `tokens` tokens, its end token included. */
export const windowsOf = (tokens: number, sequenceLength: number): ReadonlyArray<Window> => {
  const overlap = sequenceLength - strideOf(sequenceLength)
  const windows: Array<Window> = []
  for (let predicted = 0; predicted < tokens; ) {
    const first = Math.min(Math.max(0, predicted - overlap), Math.max(0, tokens - sequenceLength))
    const length = Math.min(sequenceLength, tokens - first)
    windows.push({ first, length, repeated: predicted - first })
    predicted = first + length
  }
  return windows
}
