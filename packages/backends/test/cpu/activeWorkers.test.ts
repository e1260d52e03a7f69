import { assert, describe, it } from "@effect/vitest"
import { ActiveWorkers } from "../../src/cpu/ActiveWorkers.ts"

/** Sizes of `runs` runs, each as long as `milliseconds` says for its size. */
const sizes = (
  active: ActiveWorkers,
  runs: number,
  milliseconds: (size: number) => number
): ReadonlyArray<number> =>
  Array.from({ length: runs }, () => {
    const { size } = active
    active.took(milliseconds(size))
    return size
  })

const share = (of: ReadonlyArray<number>, size: number) => of.filter((one) => one === size).length / of.length

describe("the workers that a run wakes", () => {
  it("are one where others are in the way", () => {
    const active = new ActiveWorkers(2, 4)
    sizes(active, 40, (size) => (size === 1 ? 4 : 16))
    assert.isAbove(
      share(
        sizes(active, 400, (size) => (size === 1 ? 4 : 16)),
        1
      ),
      0.95
    )
  })

  it("are all where that is faster, and nearly always so", () => {
    const active = new ActiveWorkers(4, 8)
    assert.strictEqual(active.size, 4)
    sizes(active, 40, (size) => 8 / size)
    assert.isAbove(
      share(
        sizes(active, 400, (size) => 8 / size),
        4
      ),
      0.95
    )
  })

  it("change when the machine becomes busy, and back when it is quiet again", () => {
    const active = new ActiveWorkers(2, 4)
    sizes(active, 200, (size) => 4 / size)
    sizes(active, 100, (size) => (size === 1 ? 4 : 16))
    assert.strictEqual(active.size, 1)
    sizes(active, 1200, (size) => 4 / size)
    assert.strictEqual(active.size, 2)
  })

  it("are helped by the main thread unless it is in the way", () => {
    const ways = (slowWithMain: boolean) => {
      const active = new ActiveWorkers(2, 1, true)
      assert.deepStrictEqual([active.size, active.helps], [2, true])
      return Array.from({ length: 400 }, () => {
        const { helps, size } = active
        active.took((helps && slowWithMain ? 5 : helps ? 1 : 1.5) / size)
        return helps
      })
    }
    const helped = (slowWithMain: boolean) => ways(slowWithMain).filter((helps) => helps).length / 400
    assert.isAbove(helped(false), 0.9)
    assert.isBelow(helped(true), 0.1)
  })

  it("are all, without trials, for a long program and on one thread", () => {
    assert.deepStrictEqual(new Set(sizes(new ActiveWorkers(2, 900), 100, () => 500)), new Set([2]))
    assert.deepStrictEqual(new Set(sizes(new ActiveWorkers(1, 1), 100, () => 1)), new Set([1]))
  })
})
