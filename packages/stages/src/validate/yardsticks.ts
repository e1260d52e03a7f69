/** What the model is compared with beside the Kneser-Ney baselines: an n-gram with a cache of the document, and compressors. */
import { Effect } from "effect"
import { intervalOf, medianOf } from "./bootstrap.ts"
import { type CompressorName, compressedSize, version } from "./Compressor.ts"
import type { CachedNgram } from "./cachedNgram.ts"
import type { Extent } from "./measure.ts"
import { ppmdBits } from "./ppmdBits.ts"
import { ratioOf } from "./predict.ts"
import type { Yardstick, YardstickName } from "./Report.ts"

/** What measuring one gave: bits, or why there are none. */
export type Measured =
  | { readonly name: YardstickName; readonly why: string }
  | {
      readonly name: YardstickName
      /** Of all documents together. */
      readonly total: number
      /** By document; null where they were not measured one by one. */
      readonly bits: Float64Array | null
      /** By token of each document; null for what knows no tokens. */
      readonly tokenBits: ReadonlyArray<Float32Array> | null
    }

/** Text that compressors are primed with at most. */
export const mostTrainingBytes = 64 * 2 ** 20

export const sumOf = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum
}

export const scoreCached = (cached: CachedNgram, documents: ReadonlyArray<Int32Array>): Measured => {
  const tokenBits = documents.map((tokens) => cached.score(tokens))
  const bits = Float64Array.from(tokenBits, sumOf)
  return { name: "ngram-cache", total: sumOf(bits), bits, tokenBits }
}

/** Texts of the training split and of the measured documents. */
export interface Texts {
  readonly training: ReadonlyArray<Uint8Array>
  readonly documents: ReadonlyArray<Uint8Array>
}

export const measurePpmd = Effect.fn("validate.ppmd")(function* ({ documents, training }: Texts) {
  const bits = yield* ppmdBits(training, documents)
  const measured: Measured =
    typeof bits === "string"
      ? { name: "ppmd", why: bits }
      : { name: "ppmd", total: sumOf(bits), bits, tokenBits: null }
  return measured
})

/** All documents in one go, after the training text: so a document may also be predicted from those before it. */
export const measureCompressor = Effect.fn("validate.compressor")(function* (
  name: CompressorName,
  { documents, training }: Texts
) {
  const failed = (why: string): Measured => ({ name, why })
  if ((yield* version(name)) === "none") return failed(`${name} is not installed`)
  const base = yield* compressedSize(name, training)
  if (typeof base === "string") return failed(base)
  const size = yield* compressedSize(name, [...training, ...documents])
  if (typeof size === "string") return failed(size)
  const measured: Measured = { name, total: 8 * (size - base), bits: null, tokenBits: null }
  return measured
})

/** Bits per byte of each document that has text. */
export const perByte = (bits: ArrayLike<number>, documents: ReadonlyArray<Extent>): ReadonlyArray<number> =>
  documents.flatMap(({ bytes }, index) => (bytes === 0 ? [] : [bits[index]! / bytes]))

/** For how many documents that have text the first needs fewer bits. */
export const betterIn = (
  bits: ArrayLike<number>,
  than: ArrayLike<number>,
  documents: ReadonlyArray<Extent>
): number => documents.filter(({ bytes }, index) => bytes > 0 && bits[index]! < than[index]!).length

/** The figures of one that was measured, against the model's bits by document. */
export const yardstickFigures = (
  { bits, name, total }: Extract<Measured, { readonly total: number }>,
  documents: ReadonlyArray<Extent>,
  model: Float64Array,
  seed: number
): Yardstick => {
  const bytes = documents.map((each) => each.bytes)
  return {
    name,
    bitsPerByte: total / sumOf(bytes),
    interval: bits === null ? null : intervalOf(bits, bytes, seed),
    ratio: bits === null ? { value: sumOf(model) / total, interval: null } : ratioOf(model, bits, seed),
    median: bits === null ? null : medianOf(perByte(bits, documents)),
    modelBetter: bits === null ? null : betterIn(model, bits, documents)
  }
}
