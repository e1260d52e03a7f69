import { existsSync, readdirSync } from "node:fs"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as DiskTensors from "../../src/train/DiskTensors.ts"
import { temporaryFolder } from "./laboratory.ts"

// The second is longer than what is changed at once.
const tensors = [
  { name: "small", shape: [2, 2] },
  { name: "large", shape: [700, 1000] },
  { name: "last", shape: [3] }
]

describe("disk-backed tensors", () => {
  it.live("are read as they were written, change in place, and are removed with their scope", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      yield* Effect.scoped(
        Effect.gen(function* () {
          const kept = yield* DiskTensors.make(root, tensors)
          const other = yield* DiskTensors.make(root, tensors)
          const large = new Float32Array(700_000).map((_, index) => index / 3)
          yield* kept.write("last", Float32Array.of(1, 2, 3))
          yield* kept.write("large", large)
          yield* kept.write("small", Float32Array.of(4, 5, 6, Number.NaN))
          yield* other.write("last", Float32Array.of(7, 8, 9))
          yield* kept.change("large", (part, first) => {
            for (let i = 0; i < part.length; i++) part[i] = large[first + i]! + first + i
          })
          assert.deepStrictEqual(
            yield* kept.read("large"),
            large.map((value, index) => value + index)
          )
          assert.deepStrictEqual(yield* kept.read("small"), Float32Array.of(4, 5, 6, Number.NaN))
          assert.deepStrictEqual(yield* kept.read("last"), Float32Array.of(1, 2, 3))
          assert.deepStrictEqual(yield* other.read("last"), Float32Array.of(7, 8, 9))
          assert.strictEqual(readdirSync(root).length, 2)
        })
      )
      assert.isTrue(existsSync(root))
      assert.deepStrictEqual(readdirSync(root), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
