import { readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decode } from "../../src/tensors/Safetensors.ts"
import * as TensorFile from "../../src/tensors/TensorFile.ts"
import { temporaryFolder } from "../train/laboratory.ts"

// The second is longer than what a file gives at once.
const values = [Float32Array.of(1.5, -0, Number.NaN, 3e-42), new Float32Array(300_000).map((_, i) => i / 7)]
const sources = values.map((each, index) => ({
  name: `t${index}`,
  shape: [each.length / 2, 2],
  read: Effect.sync(() => each.slice())
}))

const written = Effect.gen(function* () {
  const path = join(yield* temporaryFolder, "model.safetensors")
  const bytes = yield* TensorFile.write(path, sources, { format: "pt" })
  return { path, bytes }
})

describe("TensorFile", () => {
  it.live("gives back each tensor bit for bit, in any order, as often as it is asked", () =>
    Effect.gen(function* () {
      const { bytes, path } = yield* written
      assert.strictEqual(readFileSync(path).length, bytes)
      const { metadata, tensors } = yield* TensorFile.open(path)
      assert.deepStrictEqual({ ...metadata }, { format: "pt" })
      for (const index of [1, 0, 1]) {
        const read = yield* tensors.get(`t${index}`)!.read
        assert.deepStrictEqual(Buffer.from(read.buffer), Buffer.from(values[index]!.buffer))
      }
      const whole = yield* decode(readFileSync(path), path)
      assert.deepStrictEqual([...whole.tensors.keys()], [...tensors.keys()])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("rounds to the nearest float16 where that is asked for, and reads it back as float32", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "half.safetensors")
      const numbers = Float32Array.of(1, -0.1, 1 / 3, 6e-8, 1e-8, 65_504)
      const source = { name: "a", shape: [2, 3], read: Effect.sync(() => numbers.slice()) }
      const bytes = yield* TensorFile.write(path, [source], {}, "F16")
      assert.strictEqual(readFileSync(path).length, bytes)
      const read = yield* (yield* TensorFile.open(path)).tensors.get("a")!.read
      assert.deepStrictEqual([...read], [1, -0.0999755859375, 0.333251953125, 2 ** -24, 0, 65_504])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("says in a sentence what is wrong with a file, when it is opened and when it is read", () =>
    Effect.gen(function* () {
      const { path } = yield* written
      const { tensors } = yield* TensorFile.open(path)
      truncateSync(path, 500)
      const read = yield* Effect.flip(tensors.get("t1")!.read)
      assert.match(read.message, /model\.safetensors cannot be read as safetensors: it ended early/)
      const opened = yield* Effect.flip(TensorFile.open(path))
      assert.match(opened.message, /tensor "t1" has bytes .* outside/)
      writeFileSync(path, "short")
      assert.match((yield* Effect.flip(TensorFile.open(path))).message, /5 bytes, fewer than the 8/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
