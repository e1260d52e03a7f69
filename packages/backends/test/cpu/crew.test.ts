import { assert, describe, it } from "@effect/vitest"
import { Crew } from "../../src/cpu/Crew.ts"

/** Sizes of `runs` runs, each as long as `milliseconds` says for its size. */
const sizes = (crew: Crew, runs: number, milliseconds: (size: number) => number): ReadonlyArray<number> =>
  Array.from({ length: runs }, () => {
    const { size } = crew
    crew.took(milliseconds(size))
    return size
  })

const share = (of: ReadonlyArray<number>, size: number) => of.filter((one) => one === size).length / of.length

describe("the workers that a run wakes", () => {
  it("are one where others are in the way", () => {
    const crew = new Crew(2, 4)
    sizes(crew, 40, (size) => (size === 1 ? 4 : 16))
    assert.isAbove(
      share(
        sizes(crew, 400, (size) => (size === 1 ? 4 : 16)),
        1
      ),
      0.95
    )
  })

  it("are all where that is faster, and nearly always so", () => {
    const crew = new Crew(4, 8)
    assert.strictEqual(crew.size, 4)
    sizes(crew, 40, (size) => 8 / size)
    assert.isAbove(
      share(
        sizes(crew, 400, (size) => 8 / size),
        4
      ),
      0.95
    )
  })

  it("change when the machine becomes busy, and back when it is quiet again", () => {
    const crew = new Crew(2, 4)
    sizes(crew, 200, (size) => 4 / size)
    sizes(crew, 100, (size) => (size === 1 ? 4 : 16))
    assert.strictEqual(crew.size, 1)
    sizes(crew, 1200, (size) => 4 / size)
    assert.strictEqual(crew.size, 2)
  })

  it("are all, without trials, for a long program and on one thread", () => {
    assert.deepStrictEqual(new Set(sizes(new Crew(2, 900), 100, () => 500)), new Set([2]))
    assert.deepStrictEqual(new Set(sizes(new Crew(1, 1), 100, () => 1)), new Set([1]))
  })
})
