import { existsSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { systemError } from "effect/PlatformError"
import * as CheckpointFolder from "../../src/train/CheckpointFolder.ts"
import { temporaryFolder } from "./laboratory.ts"

const files = (fill: number): ReadonlyArray<CheckpointFolder.File> => [
  { name: "parameters.safetensors", pieces: [Buffer.alloc(1_100_000, fill), Buffer.from("end")] },
  { name: "state.json", pieces: [Buffer.from(`{"fill":${fill}}`)] }
]

/** The operations of a file system that change it. */
const changing = ["makeDirectory", "open", "remove", "rename"] as const

/**
 * A file system that stops working at its nth change: with an error, as a full disk does, or for good, as a killed process sees it.
 * Writing and syncing an open file are changes as well.
 */
const failingAt = (fs: FileSystem.FileSystem, nth: number, forGood: boolean) => {
  let changes = 0
  const guard = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      changes++
      const fails = forGood ? changes >= nth : changes === nth
      return fails
        ? Effect.fail(
            systemError({ _tag: "WriteZero", module: "FileSystem", method: "write", description: "ENOSPC" })
          )
        : (effect as Effect.Effect<A, never, R>)
    })
  const guarded = Object.fromEntries(
    changing
      .filter((name) => name !== "open")
      .map((name) => [
        name,
        (...args: ReadonlyArray<never>) =>
          guard((fs[name] as unknown as (...args: ReadonlyArray<never>) => Effect.Effect<unknown>)(...args))
      ])
  )
  const broken = {
    ...fs,
    ...guarded,
    open: ((...args: Parameters<FileSystem.FileSystem["open"]>) =>
      guard(
        Effect.map(fs.open(...args), (file) => ({
          ...file,
          writeAll: (bytes: Uint8Array) => guard(file.writeAll(bytes)),
          sync: guard(file.sync)
        }))
      )) as FileSystem.FileSystem["open"]
  } as FileSystem.FileSystem
  return { fs: broken, changes: () => changes }
}

describe("CheckpointFolder", () => {
  it.live("reads back what was written", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryFolder, "step-1")
      const bytes = yield* CheckpointFolder.write(directory, 1, files(7))
      const read = yield* CheckpointFolder.read(directory)
      assert.strictEqual(read.step, 1)
      assert.isAbove(bytes, 1_100_000)
      assert.strictEqual(read.files.get("parameters.safetensors")!.byteLength, 1_100_003)
      yield* CheckpointFolder.remove(directory)
      assert.isFalse(existsSync(directory))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  for (const forGood of [false, true])
    it.live(
      forGood
        ? "a process killed at any change leaves a whole checkpoint or none"
        : "an error at any change leaves a whole checkpoint or none, and a second try works",
      () =>
        Effect.gen(function* () {
          const real = yield* FileSystem.FileSystem
          const root = yield* temporaryFolder
          let whole = 0
          for (let nth = 1; ; nth++) {
            const at = join(root, `${nth}`)
            mkdirSync(at)
            const before = join(at, "step-1")
            const directory = join(at, "step-2")
            yield* CheckpointFolder.write(before, 1, files(1))
            const { changes, fs } = failingAt(real, nth, forGood)
            const result = yield* CheckpointFolder.write(directory, 2, files(2)).pipe(
              Effect.provideService(FileSystem.FileSystem, fs),
              Effect.result
            )
            const read = yield* Effect.result(CheckpointFolder.read(directory))
            // Syncing a folder may fail without harm: then the checkpoint is whole.
            if (result._tag === "Success") assert.strictEqual(read._tag, "Success")
            if (read._tag === "Success") whole++
            assert.strictEqual((yield* CheckpointFolder.read(before)).step, 1)
            if (result._tag === "Failure") {
              yield* CheckpointFolder.sweep(at)
              if (read._tag === "Failure") {
                yield* CheckpointFolder.remove(directory)
                yield* CheckpointFolder.write(directory, 2, files(2))
              }
              assert.strictEqual((yield* CheckpointFolder.read(directory)).step, 2)
              assert.deepStrictEqual(readdirSync(at).sort(), ["step-1", "step-2"])
            }
            if (changes() < nth) break
          }
          assert.isAbove(whole, 0)
        }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
    )

  it.live("a removal that is cut short leaves no checkpoint", () =>
    Effect.gen(function* () {
      const real = yield* FileSystem.FileSystem
      const directory = join(yield* temporaryFolder, "step-1")
      for (let nth = 1; nth < 6; nth++) {
        yield* CheckpointFolder.write(directory, 1, files(1))
        yield* CheckpointFolder.remove(directory).pipe(
          Effect.provideService(FileSystem.FileSystem, failingAt(real, nth, true).fs),
          Effect.result
        )
        const read = yield* Effect.result(CheckpointFolder.read(directory))
        // At its first change, the marker, it has not begun.
        assert.strictEqual(read._tag, nth === 1 ? "Success" : "Failure")
        yield* CheckpointFolder.remove(directory)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
