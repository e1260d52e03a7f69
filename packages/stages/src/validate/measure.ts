/**
 * How well the model and the n-gram baselines predict documents that they were not trained on: bits and hits by document, on the same tokens
 * and with the same rule for contexts (see `model/windows.ts`).
 */
import type { Prepared } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import type { SplitReader } from "../dataset/DatasetReader.ts"
import { draws, permutation } from "../model/draws.ts"
import { Ports } from "../model/Programs.ts"
import { type Window, windowsOf } from "../model/windows.ts"
import { Counter, type KneserNey } from "../ngrams/kneserNey.ts"
import type { Prediction } from "./Report.ts"
import { ValidationImpossible } from "./ValidationError.ts"

/** A document of a split: where its tokens are, end token included, and the bytes of its text. */
export interface Extent {
  readonly start: number
  readonly tokens: number
  readonly bytes: number
}

/** One split of the dataset. */
export interface Split extends Pick<SplitReader, "length" | "read"> {
  readonly documents: ReadonlyArray<Extent>
}

/** The split with documents drawn by the seed until they have `most` tokens together; all of them when they have no more. */
export const sample = <S extends Split>(split: S, most: number, seed: number): S => {
  if (split.length <= most) return split
  const chosen = new Set<number>()
  let tokens = 0
  for (const index of permutation(split.documents.length, draws(seed, "validate", "sample"))) {
    if (tokens >= most) break
    chosen.add(index)
    tokens += split.documents[index]!.tokens
  }
  return { ...split, documents: split.documents.filter((_, index) => chosen.has(index)) }
}

/** A document's tokens, its end token included. */
export const tokensOf = (split: Split, { start, tokens }: Extent) => split.read(start, tokens)

/** For each document, in order: bits for its tokens together, and how many were predicted as the most likely. */
export interface Scores {
  readonly bits: Float64Array
  readonly correct: Int32Array
  /** Bits of each token of each document. */
  readonly tokenBits: ReadonlyArray<Float32Array>
}

export const emptyScores = (documents: ReadonlyArray<Extent>): Scores => ({
  bits: new Float64Array(documents.length),
  correct: new Int32Array(documents.length),
  tokenBits: documents.map(({ tokens }) => new Float32Array(tokens))
})

/** The figures over some of the documents: all, unless `of` picks. Null when those hold no text. */
export const summarize = (
  extents: ReadonlyArray<Extent>,
  scores: Scores,
  of: (index: number) => boolean = () => true
): Prediction | null => {
  let bits = 0
  let correct = 0
  let tokens = 0
  let bytes = 0
  extents.forEach((extent, index) => {
    if (!of(index)) return
    bits += scores.bits[index]!
    correct += scores.correct[index]!
    tokens += extent.tokens
    bytes += extent.bytes
  })
  if (tokens === 0 || bytes === 0) return null
  const loss = (bits / tokens) * Math.LN2
  return {
    loss,
    perplexity: Math.exp(loss),
    bitsPerByte: bits / bytes,
    topOneAccuracy: correct / tokens
  }
}

interface Row extends Window {
  readonly document: number
}

/**
 * Scores documents with a prepared `evaluate` program. After each batch `progress` gets the number of windows that are done, and of all.
 */
export const scoreModel = Effect.fn("validate.scoreModel")(function* <E, R>(
  program: Prepared,
  shape: { readonly batchSize: number; readonly sequenceLength: number },
  endTokenId: number,
  split: Split,
  progress: (done: number, total: number) => Effect.Effect<void, E, R>
) {
  const { batchSize, sequenceLength } = shape
  const scores = emptyScores(split.documents)
  const rows: ReadonlyArray<Row> = split.documents.flatMap((extent, document) =>
    windowsOf(extent.tokens, sequenceLength).map((window) => ({ ...window, document }))
  )
  const offset = new Int32Array(1)
  for (let begin = 0; begin < rows.length; begin += batchSize) {
    const batch = rows.slice(begin, begin + batchSize)
    const inputs = new Int32Array(batchSize * sequenceLength).fill(endTokenId)
    const targets = new Int32Array(batchSize * sequenceLength).fill(-1)
    for (const [row, { document, first, length, repeated }] of batch.entries()) {
      const tokens = yield* split.read(split.documents[document]!.start + first, length)
      const before =
        first === 0 ? endTokenId : (yield* split.read(split.documents[document]!.start + first - 1, 1))[0]!
      const at = row * sequenceLength
      for (let i = 0; i < length; i++) {
        inputs[at + i] = i === 0 ? before : tokens[i - 1]!
        if (i >= repeated) targets[at + i] = tokens[i]!
      }
    }
    const outputs = yield* program.run({
      [Ports.tokens]: inputs,
      [Ports.targets]: targets,
      [Ports.offset]: offset
    })
    const losses = outputs[Ports.losses]!
    const hits = outputs[Ports.correct]!
    for (const [row, { document, first, length, repeated }] of batch.entries()) {
      for (let i = repeated; i < length; i++) {
        const at = row * sequenceLength + i
        const bits = losses[at]! / Math.LN2
        scores.bits[document]! += bits
        scores.tokenBits[document]![first + i] = bits
        if (hits[at] === 1) scores.correct[document]!++
      }
    }
    yield* progress(Math.min(begin + batchSize, rows.length), rows.length)
  }
  return scores
})

/** Tokens after which a long computation lets other work of the process run. */
const pause = 1 << 16

/** Reads the documents in order, and yields to other work of the process now and then. */
export const forEachDocument = Effect.fnUntraced(function* (
  split: Split,
  use: (tokens: Int32Array, index: number) => void
) {
  let sincePause = 0
  for (const [index, extent] of split.documents.entries()) {
    use(yield* tokensOf(split, extent), index)
    sincePause += extent.tokens
    if (sincePause >= pause) {
      sincePause = 0
      yield* Effect.sleep(0)
    }
  }
})

/** Where an allocation fails, JavaScript throws a RangeError. */
const orOutOfMemory = (order: number, tokens: number) =>
  Effect.catchDefect((defect: unknown) =>
    defect instanceof RangeError
      ? Effect.fail(
          new ValidationImpossible({
            message: `The n-gram baseline of order ${order} over ${tokens.toLocaleString("en")} training tokens needs more memory than this machine has (${defect.message}). Leave the order out of baselines and baselinesToBeat${order === 5 ? ', with "ngram-cache" out of yardsticks and without adaptive' : ""}, or validate on a machine with more memory.`
          })
        )
      : Effect.die(defect)
  )

/** Trains a Kneser-Ney model of an order on the training documents. Fails with `ValidationImpossible` where its counts do not fit into memory. */
export const trainBaseline = Effect.fn("validate.trainBaseline")(
  function* (order: number, vocabularySize: number, train: Split) {
    const counter = new Counter(order, vocabularySize)
    yield* forEachDocument(train, (tokens) => counter.add(tokens))
    return counter.finish()
  },
  (effect, order, _, train) => orOutOfMemory(order, train.length)(effect)
)

/** Scores other splits with a Kneser-Ney model, each in its place. */
export const scoreBaseline = Effect.fn("validate.scoreBaseline")(function* (
  model: KneserNey,
  splits: ReadonlyArray<Split>
) {
  return yield* Effect.forEach(
    splits,
    Effect.fnUntraced(function* (split) {
      const scores = emptyScores(split.documents)
      yield* forEachDocument(split, (tokens, index) => {
        const own = scores.tokenBits[index]!
        const { bits, correct } = model.score(tokens, (at, tokenBits) => {
          own[at] = tokenBits
        })
        scores.bits[index] = bits
        scores.correct[index] = correct
      })
      return scores
    })
  )
})
