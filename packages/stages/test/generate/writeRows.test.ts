/** Any number of texts: each is written whole, and with slots one begins when another has ended. */
import { assert, describe, it } from "@effect/vitest"
import type { Prepared } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import type { Row, TextGenerator } from "../../src/generate/Batch.ts"
import { writeRows } from "../../src/generate/writeRows.ts"
import { Ports } from "../../src/model/Ports.ts"

/** Counts the tokens that it reads. */
const counting = () => {
  const read = { tokens: 0 }
  const program: Prepared = {
    run: (inputs) =>
      Effect.sync(() => {
        const tokens = inputs[Ports.tokens]!.length
        read.tokens += tokens
        return { [Ports.logits]: new Float32Array(tokens * 2) }
      })
  }
  return { program, read }
}

/** Texts of so many tokens each, written by a generator of two rows; how many there are of each, and what was read. */
const write = (lengths: ReadonlyArray<number>, hasSlots: boolean) =>
  Effect.gen(function* () {
    const { program, read } = counting()
    const sequenceLength = 100
    const widths = [1, 2].map((rows) => ({ program, rows }))
    const generator: TextGenerator = {
      program,
      rows: 2,
      sequenceLength,
      ...(hasSlots && { slots: { widths, blocks: [], slots: 2, sequenceLength } })
    }
    const made = lengths.map(() => 0)
    let begun = 0
    const rowOf = (index: number): Row => {
      begun++
      return { prompt: [1], next: () => (++made[index]! < lengths[index]! ? 1 : undefined) }
    }
    const step = writeRows(generator, [...lengths.keys()], rowOf)
    assert.isTrue(yield* step)
    // The others are made when their turn comes.
    assert.strictEqual(begun, 2)
    while (yield* step);
    assert.isFalse(yield* step)
    return { made, read: read.tokens }
  })

describe("any number of texts", () => {
  const lengths = [9, 2, 2, 3, 2, 1]

  it.effect("are written whole, one batch after the other without slots", () =>
    Effect.gen(function* () {
      const { made, read } = yield* write(lengths, false)
      assert.deepStrictEqual(made, lengths)
      assert.strictEqual(read, 2 * (9 + 3 + 2))
    })
  )

  it.effect("take the place of texts that ended, and read nothing for places that are left", () =>
    Effect.gen(function* () {
      const { made, read } = yield* write(lengths, true)
      assert.deepStrictEqual(made, lengths)
      assert.strictEqual(
        read,
        lengths.reduce((sum, length) => sum + length, 0)
      )
    })
  )
})
