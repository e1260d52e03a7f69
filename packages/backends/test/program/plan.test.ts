import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { tiny, trainProgram } from "../../src/contract/tinyGpt.ts"
import { make } from "../../src/program/Builder.ts"
import { bytesOf, type Program, type Tensor } from "../../src/program/Program.ts"
import { lifetimes, plan } from "../../src/program/plan.ts"

/** Pairs of activations that are alive together and share bytes. Checked against the definition, not the planner's own loop. */
const overlaps = (program: Program): ReadonlyArray<string> => {
  const { bytes, offsets } = plan(program)
  const alive = [...lifetimes(program)]
  const found: Array<string> = []
  for (const [index, [name, life]] of alive.entries()) {
    const start = offsets[name]!
    const end = start + bytesOf(program.tensors[name]!)
    if (start % 64 !== 0 || end > bytes) found.push(`${name} is at ${start}`)
    for (const [other, otherLife] of alive.slice(index + 1)) {
      const from = offsets[other]!
      const to = from + bytesOf(program.tensors[other]!)
      const together = life.first <= otherLife.last && otherLife.first <= life.last
      if (together && start < to && from < end) found.push(`${name} and ${other}`)
    }
  }
  return found
}

describe("plan", () => {
  it("never lets two live activations overlap, in programs of any shape", () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 70 })), {
          minLength: 1,
          maxLength: 40
        }),
        fc.nat(),
        (steps, output) => {
          const b = make("any")
          const values: Array<Tensor> = [b.input("x", [5, 3])]
          for (const [left, right, width] of steps) {
            const a = values[left % values.length]!
            const c = values[right % values.length]!
            values.push(
              a.shape.join() === c.shape.join() && a !== c
                ? b.add(a, c)
                : b.linear(a, { weight: b.input(`w${values.length}`, [width, a.shape[1]!]) })
            )
          }
          const outputs = [values[output % values.length]!, values.at(-1)!]
          assert.isEmpty(overlaps(b.build(outputs)))
        }
      )
    ))

  it("lays out a training step in hardly more than what is alive at its fullest moment", () => {
    const program = trainProgram({ ...tiny, batch: 8, time: 32, layers: 4 })
    assert.isEmpty(overlaps(program))
    const alive = [...lifetimes(program)]
    const fullest = Math.max(
      ...program.steps.map((_, step) =>
        alive
          .filter(([, { first, last }]) => first <= step && step <= last)
          .reduce((sum, [name]) => sum + bytesOf(program.tensors[name]!), 0)
      )
    )
    assert.isBelow(plan(program).bytes, 1.1 * fullest)
  })

  it("gives a step scratch memory that none of its tensors shares", () => {
    const b = make("scratch")
    const y = b.gelu(b.gelu(b.input("x", [16])))
    const program = b.build([y])
    const { bytes, offsets, scratch } = plan(program, { scratch: (_, index) => (index === 1 ? 100 : 0) })
    assert.strictEqual(scratch[0], -1)
    assert.isTrue(
      Object.values(offsets).every((offset) => offset + 64 <= scratch[1]! || offset >= scratch[1]! + 128)
    )
    assert.strictEqual(bytes, 64 + 64 + 128)
  })

  it("keeps outputs to the end", () => {
    const b = make("outputs")
    const first = b.gelu(b.input("x", [16]))
    const last = b.gelu(b.gelu(b.gelu(first)))
    const { offsets } = plan(b.build([first, last]))
    assert.isTrue(
      Object.entries(offsets).every(([name, offset]) => name === first.name || offset !== offsets[first.name])
    )
  })
})
