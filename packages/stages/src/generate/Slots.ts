/**
 * A loaded model with a key-value cache of several slots, for texts that come and go: see `ContinuousBatch.ts`.
 *
 * A text must not depend on those beside it. The matrix products of an engine may add up in another order for more rows, so programs of 1, 2,
 * 3, 4, 6 … rows are prepared and tried: only those are used whose logits for a row are, bit for bit, those of the program of one row. Measured
 * on x64: all of them on `native` and `reference`, up to 4 rows on `cpu`. More texts than that are read in several runs.
 */
import { Backend } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { Ports, tensorsOf } from "../model/Programs.ts"
import { release } from "../tensors/release.ts"
import type { Loaded } from "./Model.ts"
import type { SlotGenerator } from "./SlotGenerator.ts"
import { exact, slotPrograms, widthProgram } from "./slotPrograms.ts"

/** A model on an engine, for several texts at once. */
export interface OpenedSlots {
  readonly model: Loaded
  readonly generator: SlotGenerator
}

/**
 * Opens a session with the model's weights on the run's engine; closed with the scope. The key-value cache of each slot takes memory: keys and
 * values of a whole context, for each layer.
 */
export const open = Effect.fn("Slots.open")(function* (model: Loaded, slots: number) {
  const { spec } = model
  const backend = yield* Backend
  const session = yield* backend.open(tensorsOf([widthProgram(spec, 1, slots)]))
  for (const parameter of model.parameters) {
    const values = yield* parameter.read
    yield* session.write(parameter.name, values)
    release(values)
  }
  const all = yield* slotPrograms(session, spec, slots)
  // Prepared before the first text comes.
  for (const { length, program } of all.blocks)
    yield* program.run({
      [Ports.tokens]: new Int32Array(length),
      [Ports.offset]: Int32Array.of(0),
      [Ports.slots]: Int32Array.of(0)
    })
  const generator = { ...all, widths: yield* exact(all.widths, spec) }
  return { model, generator } satisfies OpenedSlots as OpenedSlots
})
