/** The parts of a mixture: each predicts the next token of a document, from a point of view of its own. */

/**
 * Predicts tokens of one document, in order. `state` is asked first, then perhaps `addTo`, then `observe`.
 *
 * Every expert's probabilities sum to 1 over the vocabulary wherever `state` is not -1.
 */
export interface Expert {
  /** How sure it has reason to be here, as a number below `states`; -1 where it predicts nothing. */
  readonly state: () => number
  /** Adds its distribution, times `weight`, to a distribution over the vocabulary. */
  readonly addTo: (distribution: Float64Array, weight: number) => void
  /** The probability that it gave to the token, 0 where it predicted nothing. It then goes on to the next. */
  readonly observe: (token: number) => number
}

/** Makes the experts of a document. */
export interface ExpertKind {
  /** For reports and messages. */
  readonly name: string
  /** Number of its states. */
  readonly states: number
  /** For the beginning of a document. */
  readonly begin: () => Expert
}

/** The bucket of a number: how many of the limits, which rise, are below it. */
export const bucket = (value: number, limits: ReadonlyArray<number>): number => {
  let index = 0
  while (index < limits.length && value > limits[index]!) index++
  return index
}
