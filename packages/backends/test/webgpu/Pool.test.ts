import { assert, describe, it } from "@effect/vitest"
import { Pool } from "../../src/webgpu/Pool.ts"

/** A pool whose buffers are numbers, and those that were destroyed. */
const pool = () => {
  let made = 0
  const destroyed: Array<number> = []
  return {
    destroyed,
    pool: new Pool<number>(
      () => made++,
      (buffer) => destroyed.push(buffer)
    )
  }
}

describe("a pool of buffers", () => {
  it("shares a buffer between what is never alive together, and with nothing else", () => {
    const [first, second, third] = pool().pool.assign({}, [
      { bytes: 8, first: 0, last: 2 },
      { bytes: 8, first: 2, last: 3 },
      { bytes: 4, first: 3, last: 5 }
    ])
    assert.notStrictEqual(first, second)
    assert.strictEqual(first, third)
  })

  it("gives programs the same buffers, and destroys them when the last one is closed", () => {
    const { destroyed, pool: shared } = pool()
    const [one, two] = [{}, {}]
    const mine = shared.assign(one, [{ bytes: 8, first: 0, last: 9 }])
    const yours = shared.assign(two, [{ bytes: 6, first: 0, last: 9 }])
    assert.deepStrictEqual(mine, yours)
    shared.release(one)
    assert.deepStrictEqual(destroyed, [])
    shared.release(two)
    assert.deepStrictEqual(destroyed, [...mine])
  })
})
