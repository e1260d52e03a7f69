/**
 * Bits that PPMd needs for each document: primed with the training text, each document on its own. It is
 * C(training text + document) - C(training text), where C is the size in bytes of what variant H of order 16 compresses to.
 */
import { Effect } from "effect"
import { Ppmd } from "../ppmd/Ppmd.ts"
import { MemoryFull } from "../ppmd/Units.ts"

export const ppmdOrder = 16

/** Memory that it begins with, as the figures of others do, and gives up at. Within it the figures do not depend on it. */
const leastMemory = 256 * 2 ** 20
const mostMemory = 2 ** 30

const attempt = Effect.fnUntraced(function* (
  training: ReadonlyArray<Uint8Array>,
  documents: ReadonlyArray<Uint8Array>,
  memory: number
) {
  const ppmd = new Ppmd(ppmdOrder, memory)
  for (const part of training) {
    ppmd.encode(part)
    yield* Effect.sleep(0)
  }
  const primed = ppmd.snapshot()
  const base = ppmd.size
  const bits = new Float64Array(documents.length)
  for (const [index, document] of documents.entries()) {
    ppmd.restore(primed)
    ppmd.encode(document)
    bits[index] = 8 * (ppmd.size - base)
    yield* Effect.sleep(0)
  }
  return bits
})

/** Bits by document, or why they were not measured. */
export const ppmdBits = (
  training: ReadonlyArray<Uint8Array>,
  documents: ReadonlyArray<Uint8Array>,
  memory = leastMemory
): Effect.Effect<Float64Array | string> =>
  attempt(training, documents, memory).pipe(
    Effect.catchDefect((defect: unknown): Effect.Effect<Float64Array | string> => {
      if (defect instanceof MemoryFull && memory < mostMemory)
        return ppmdBits(training, documents, 2 * memory)
      if (defect instanceof MemoryFull)
        return Effect.succeed("PPMd needs more than 1 GiB for this training text")
      if (defect instanceof RangeError)
        return Effect.succeed(`PPMd needs ${memory / 2 ** 20} MiB, which this machine does not have`)
      return Effect.die(defect)
    })
  )
