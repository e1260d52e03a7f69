/**
 * Histograms of a checkpoint's tensors: the weights, and the optimizer's running average of the gradients (AdamW's first moment, Muon's
 * momentum). They are read from the files that training saved, so that training itself does nothing for them.
 */
import * as TensorFile from "@trainyard/stages/tensors/TensorFile"
import { Effect, FileSystem, Path } from "effect"

export interface Histogram {
  readonly least: number
  readonly most: number
  /** How many values there are; those that are not finite do not count. */
  readonly count: number
  readonly sum: number
  readonly sumOfSquares: number
  /** The upper end of each bucket, and how many values it has. */
  readonly limits: ReadonlyArray<number>
  readonly counts: ReadonlyArray<number>
}

/** Buckets of the same width between the least value and the largest. */
const buckets = 64

/** The histogram of these values; undefined where none is finite. */
export const histogramOf = (values: Float32Array): Histogram | undefined => {
  let [count, sum, sumOfSquares] = [0, 0, 0]
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    count++
    sum += value
    sumOfSquares += value * value
    if (value < least) least = value
    if (value > most) most = value
  }
  if (count === 0) return undefined
  // Values that are all the same have one bucket around them.
  const width = most > least ? (most - least) / buckets : Math.max(1e-6, Math.abs(most) * 1e-6)
  const counts = new Array<number>(most > least ? buckets : 1).fill(0)
  for (const value of values)
    if (Number.isFinite(value)) counts[Math.min(counts.length - 1, Math.floor((value - least) / width))]!++
  const limits = counts.map((_, index) => least + (index + 1) * width)
  return { least, most, count, sum, sumOfSquares, limits, counts }
}

const averageName = /^(.*)\.(?:firstMoment|momentum)$/

/** What is shown of the files of a checkpoint: the tag of each tensor, by its name. */
const shown = [
  { file: "parameters.safetensors", tagOf: (name: string) => `weights/${name}` },
  {
    file: "optimizer.safetensors",
    tagOf: (name: string) => {
      const parameter = averageName.exec(name)?.[1]
      return parameter === undefined ? undefined : `average gradient/${parameter}`
    }
  }
] as const

/** The histograms of a checkpoint's folder, by tag. Fails where a file cannot be read, as when the checkpoint was removed in between. */
export const ofCheckpoint = Effect.fn("histograms.ofCheckpoint")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const found: Array<readonly [tag: string, histogram: Histogram]> = []
  for (const { file, tagOf } of shown) {
    const name = path.join(directory, file)
    if (!(yield* fs.exists(name))) continue
    const { tensors } = yield* TensorFile.open(name)
    for (const { name, read } of tensors.values()) {
      const tag = tagOf(name)
      if (tag === undefined) continue
      const histogram = histogramOf(yield* read)
      if (histogram !== undefined) found.push([tag, histogram])
      // Counting millions of values would otherwise keep the engine and the screen waiting.
      yield* Effect.yieldNow
    }
  }
  return found
})
