/**
 * Programs over one key-value cache with several slots, for texts at positions of their own: see `ContinuousBatch.ts`.
 */
import type { Prepared, Session } from "@trainyard/backends/Backend"
import type { Program, Tensor } from "@trainyard/backends/program/Program"
import { Effect, Scope } from "effect"
import type { Spec } from "../model/families.ts"
import { generate, Ports, read, tensorsOf } from "../model/Programs.ts"
import type { TextGenerator } from "./Batch.ts"
import type { SlotGenerator, Width } from "./SlotGenerator.ts"

/** Tokens of a prompt that are read at once: as many as make good use of an engine, then as many as take little more time than one. */
const blockLengths = [64, 8]

/** Lengths of the blocks in which a model's prompts are read, longest first: at most half a context. */
export const blockLengthsOf = ({ sequenceLength }: Spec): ReadonlyArray<number> => {
  const longest = Math.floor(sequenceLength / 2)
  const lengths = new Set(blockLengths.map((length) => Math.min(length, longest)))
  return [...lengths].filter((length) => length > 1)
}

/** 1, 2, 3, 4, 6, 8, 12, 16 … up to `slots`, which is the last. */
const rowsUpTo = (slots: number): ReadonlyArray<number> => {
  const powers = Array.from({ length: 31 }, (_, power) => 2 ** power)
  const between = powers.flatMap((power) => (power === 1 ? [1] : [power, power * 1.5]))
  return [...between.filter((rows) => rows < slots), slots]
}

/** The program that reads a token of each of `rows` texts. */
export const widthProgram = (spec: Spec, rows: number, slots: number) =>
  generate(spec, 1, { batch: rows, slots })

/** Tokens that are read to compare programs. */
const triedTokens = 3

/** The logits that a program gives for its last row, after a few tokens that are the same for every number of rows. */
const triedLogits = Effect.fnUntraced(function* (program: Prepared, rows: number, spec: Spec) {
  const { sequenceLength, vocabularySize: vocabulary } = spec
  const all: Array<number> = []
  for (let offset = 0; offset < Math.min(triedTokens, sequenceLength); offset++) {
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
export const exact = Effect.fnUntraced(function* (widths: ReadonlyArray<Width>, spec: Spec) {
  const kept: Array<Width> = []
  let alone: Float32Array | undefined
  for (const width of widths) {
    const logits = yield* triedLogits(width.program, width.rows, spec)
    alone ??= logits
    if (areSame(logits, alone)) kept.push(width)
  }
  return kept
})

/** Copies a part of each cache [slots, places, width] from one slot to another. */
const copyOf =
  (copyWithin: NonNullable<Session["copyWithin"]>, caches: ReadonlyArray<Tensor>) =>
  (slot: number, into: number, start: number, end: number) =>
    Effect.forEach(
      caches,
      ({ name, shape: [, places = 0, width = 0] }) =>
        copyWithin(
          name,
          (into * places + start) * width,
          (slot * places + start) * width,
          (slot * places + end) * width
        ),
      { discard: true }
    )

/** A program that is prepared when it runs first: some lengths of prompts and numbers of texts never come. */
const preparedLater = Effect.fnUntraced(function* (session: Session, program: () => Program) {
  const scope = yield* Effect.scope
  let ready: Prepared | undefined
  const prepare = yield* Effect.cached(
    Effect.suspend(() => session.prepare(program())).pipe(
      Effect.tap((prepared) =>
        Effect.sync(() => {
          ready = prepared
        })
      ),
      Effect.provideService(Scope.Scope, scope)
    )
  )
  const run: Prepared["run"] = (inputs, into) =>
    ready?.run(inputs, into) ?? Effect.flatMap(prepare, (prepared) => prepared.run(inputs, into))
  return { run } satisfies Prepared as Prepared
})

/** The programs for so many slots. */
export const slotPrograms = Effect.fn("Slots.programs")(function* (
  session: Session,
  spec: Spec,
  slots: number
) {
  const widths = yield* Effect.forEach(rowsUpTo(slots), (rows) =>
    Effect.map(
      preparedLater(session, () => widthProgram(spec, rows, slots)),
      (program) => ({ program, rows })
    )
  )
  const blocks = yield* Effect.forEach(blockLengthsOf(spec), (length) =>
    Effect.map(
      preparedLater(session, () => read(spec, length, { slots })),
      (program) => ({ program, length })
    )
  )
  const { copyWithin } = session
  const caches = tensorsOf([widthProgram(spec, 1, slots)]).filter(({ role }) => role === "state")
  return {
    ...(copyWithin !== undefined && { copy: copyOf(copyWithin, caches) }),
    widths,
    blocks,
    slots,
    sequenceLength: spec.sequenceLength
  } satisfies SlotGenerator as SlotGenerator
})

/**
 * The same for rows that share a position, as `Batch.ts` has them. Tokens of a block are read row by row.
 */
export const sharedPosition = ({ blocks, sequenceLength, slots, widths }: SlotGenerator): TextGenerator => {
  const all = Int32Array.from({ length: slots }, (_, slot) => slot)
  const { program } = widths.at(-1)!
  return {
    sequenceLength,
    rows: slots,
    program: {
      run: (inputs, into) => {
        const offset = new Int32Array(slots).fill(inputs[Ports.offset]?.[0] ?? 0)
        return program.run({ ...inputs, [Ports.offset]: offset, [Ports.slots]: all }, into)
      }
    },
    blocks: blocks.map(({ length, program }) => ({
      length,
      program: {
        run: (inputs) =>
          Effect.as(
            Effect.forEach(all, (slot) =>
              program.run({
                ...inputs,
                [Ports.tokens]: inputs[Ports.tokens]!.slice(slot * length, (slot + 1) * length),
                [Ports.slots]: Int32Array.of(slot)
              })
            ),
            {}
          )
      }
    }))
  }
}
