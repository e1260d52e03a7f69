/** Which measured documents share a long run of tokens with the training text, and the figure over the others. */
import { Effect } from "effect"
import { intervalOf } from "./bootstrap.ts"
import { forEachDocument, type Scores, type Split, summarize } from "./measure.ts"
import type { SharedWithTraining } from "./Report.ts"

/** Tokens of a run: long enough that it was copied rather than written again (Lee et al. 2022, arXiv 2107.06499). */
export const sharedRun = 50

/** 2^21: of the second hash only so many values fit beside the 32 bits of the first into an exact number. */
const low = 0x200000
const factors = [0x9e3779b1, 0x85ebca6b] as const

/** The factor of the token that leaves a run. */
const powerOf = (factor: number): number => {
  let power = 1
  for (let at = 0; at < sharedRun; at++) power = Math.imul(power, factor)
  return power
}
const powers = [powerOf(factors[0]), powerOf(factors[1])] as const

/** A hash of 53 bits for each run of a document's tokens, by a rolling polynomial. */
const forEachRun = (tokens: Int32Array, use: (hash: number) => void): void => {
  let one = 0
  let other = 0
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]! + 1
    one = (Math.imul(one, factors[0]) + Math.imul(token, 0xc2b2ae35)) | 0
    other = (Math.imul(other, factors[1]) + Math.imul(token, 0x27d4eb2f)) | 0
    if (at >= sharedRun) {
      const gone = tokens[at - sharedRun]! + 1
      one = (one - Math.imul(powers[0], Math.imul(gone, 0xc2b2ae35))) | 0
      other = (other - Math.imul(powers[1], Math.imul(gone, 0x27d4eb2f))) | 0
    }
    if (at >= sharedRun - 1) use((one >>> 0) * low + (other >>> 11))
  }
}

/**
 * For each split, whether each of its documents has a run of 50 tokens that the training text has too. Documents of fewer tokens have none.
 * Memory grows with the tokens of the splits, not with those of the training text.
 */
export const sharedDocuments = Effect.fn("validate.sharedDocuments")(function* (
  train: Split,
  splits: ReadonlyArray<Split>
) {
  /** Hashes of the splits' runs, and whether the training text has them. */
  const runs = new Map<number, boolean>()
  for (const split of splits)
    yield* forEachDocument(split, (tokens) => forEachRun(tokens, (hash) => void runs.set(hash, false)))
  yield* forEachDocument(train, (tokens) =>
    forEachRun(tokens, (hash) => {
      if (runs.get(hash) === false) runs.set(hash, true)
    })
  )
  return yield* Effect.forEach(
    splits,
    Effect.fnUntraced(function* (split) {
      const shared = split.documents.map(() => false)
      yield* forEachDocument(split, (tokens, index) =>
        forEachRun(tokens, (hash) => {
          if (runs.get(hash) === true) shared[index] = true
        })
      )
      return shared
    })
  )
})

/** How many documents share a run, and the model's figure over those that share none. */
export const sharedFigures = (
  { documents }: Split,
  scores: Scores,
  shared: ReadonlyArray<boolean>,
  seed: number
): SharedWithTraining => {
  const others = documents.flatMap((_, index) => (shared[index] ? [] : [index]))
  const rest = summarize(documents, scores, (index) => !shared[index])
  return {
    tokens: sharedRun,
    documents: documents.length - others.length,
    without:
      rest === null
        ? null
        : {
            documents: others.length,
            bitsPerByte: rest.bitsPerByte,
            interval: intervalOf(
              others.map((index) => scores.bits[index]!),
              others.map((index) => documents[index]!.bytes),
              seed
            )
          }
  }
}
