import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { systemError } from "effect/PlatformError"
import * as TensorFile from "../../src/tensors/TensorFile.ts"
import * as CheckpointFolder from "../../src/train/CheckpointFolder.ts"
import * as Copies from "../../src/train/Copies.ts"
import { temporaryFolder } from "./laboratory.ts"

/** A session of one tensor that goes on changing. */
const changing = () => {
  const state = Float32Array.of(1, 2, 3, 4)
  return {
    state,
    contents: [
      {
        name: "parameters.safetensors",
        tensors: [{ name: "w", shape: [2, 2], read: Effect.sync(() => state.slice()) }]
      }
    ]
  }
}

/** Saves a copy after the state went on, and reads the checkpoint. */
const savedFrom = Effect.fnUntraced(function* (root: string) {
  const { contents, state } = changing()
  const copy = yield* Copies.make(root, contents)
  state.fill(9)
  const directory = join(root, "step-1")
  yield* CheckpointFolder.write(directory, 1, copy.files)
  yield* copy.discard
  const { files } = yield* CheckpointFolder.read(directory)
  const { tensors } = yield* TensorFile.open(files.get("parameters.safetensors")!.path)
  return Array.from(yield* tensors.get("w")!.read)
})

describe("a copy of the state", () => {
  it.live("is of its moment, and leaves nothing but the checkpoint behind", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      assert.deepStrictEqual(yield* savedFrom(root), [1, 2, 3, 4])
      assert.deepStrictEqual(readdirSync(root), ["step-1"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("stays in memory where the disk refuses it", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      const fs = yield* FileSystem.FileSystem
      let refused = 0
      const full: FileSystem.FileSystem = {
        ...fs,
        open: (path, options) => {
          if (!path.includes("copy-")) return fs.open(path, options)
          refused++
          return Effect.fail(
            systemError({ _tag: "WriteZero", module: "FileSystem", method: "open", description: "ENOSPC" })
          )
        }
      }
      const values = yield* Effect.provideService(savedFrom(root), FileSystem.FileSystem, full)
      assert.deepStrictEqual(values, [1, 2, 3, 4])
      assert.strictEqual(refused, 1)
      assert.isTrue(existsSync(join(root, "step-1")))
      assert.deepStrictEqual(readdirSync(root), ["step-1"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
