/**
 * A loaded model with a key-value cache of several slots, for texts that come and go: see `ContinuousBatch.ts`.
 *
 * A text must not depend on those beside it. The matrix products of an engine may add up in another order for more rows, so programs of 1, 2,
 * 4 … rows are prepared and tried: only those are used whose logits for a row are, bit for bit, those of the program of one row. Measured on
 * x64: all of them on `native` and `reference`, up to 4 rows on `cpu`. More texts than that are read in several runs.
 */
import { Backend, type Prepared } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { generate, Ports, read, tensorsOf } from "../model/Programs.ts"
import { release } from "../tensors/release.ts"
import type { SlotGenerator, Width } from "./ContinuousBatch.ts"
import { blockLengthsOf, type Loaded } from "./Model.ts"

/** A model on an engine, for several texts at once. */
export interface OpenedSlots {
  readonly model: Loaded
  readonly generator: SlotGenerator
}

/** 1, 2, 4 … up to `slots`, which is the last. */
const rowsUpTo = (slots: number): ReadonlyArray<number> => {
  const powers = Array.from({ length: 31 }, (_, power) => 2 ** power).filter((rows) => rows < slots)
  return [...powers, slots]
}

/** Tokens that are read to compare programs. */
const triedTokens = 3

/** The logits that a program gives for its last row, after a few tokens that are the same for every number of rows. */
const triedLogits = Effect.fnUntraced(function* (program: Prepared, rows: number, vocabulary: number) {
  const all: Array<number> = []
  for (let offset = 0; offset < triedTokens; offset++) {
    const outputs = yield* program.run({
      [Ports.tokens]: Int32Array.from(
        { length: rows },
        (_, row) => ((rows - 1 - row) * 131 + offset * 37) % vocabulary
      ),
      [Ports.offset]: new Int32Array(rows).fill(offset),
      [Ports.slots]: Int32Array.from({ length: rows }, (_, row) => row)
    })
    const logits = outputs[Ports.logits]!
    all.push(...logits.subarray(logits.length - vocabulary))
  }
  return Float32Array.from(all)
})

const areSame = (a: Float32Array, b: Float32Array): boolean =>
  a.every((value, index) => Object.is(value, b[index]))

/** Those that give a row the logits that it has alone. */
const exact = Effect.fnUntraced(function* (widths: ReadonlyArray<Width>, vocabulary: number) {
  const kept: Array<Width> = []
  let alone: Float32Array | undefined
  for (const width of widths) {
    const logits = yield* triedLogits(width.program, width.rows, vocabulary)
    alone ??= logits
    if (areSame(logits, alone)) kept.push(width)
  }
  return kept
})

/**
 * Opens a session with the model's weights on the run's engine; closed with the scope. The key-value cache of each slot takes memory: keys and
 * values of a whole context, for each layer.
 */
export const open = Effect.fn("Slots.open")(function* (model: Loaded, slots: number) {
  const { spec } = model
  const backend = yield* Backend
  const programs = rowsUpTo(slots).map((rows) => ({
    rows,
    program: generate(spec, 1, { batch: rows, slots })
  }))
  const session = yield* backend.open(tensorsOf([programs[0]!.program]))
  for (const parameter of model.parameters) {
    const values = yield* parameter.read
    yield* session.write(parameter.name, values)
    release(values)
  }
  const widths = yield* Effect.forEach(programs, ({ program, rows }) =>
    Effect.map(session.prepare(program), (prepared) => ({ program: prepared, rows }))
  )
  const blocks = yield* Effect.forEach(blockLengthsOf(spec), (length) =>
    Effect.map(session.prepare(read(spec, length, { slots })), (program) => ({ program, length }))
  )
  return {
    model,
    generator: {
      widths: yield* exact(widths, spec.vocabularySize),
      blocks,
      slots,
      sequenceLength: spec.sequenceLength
    }
  } satisfies OpenedSlots as OpenedSlots
})
