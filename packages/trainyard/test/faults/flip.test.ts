/** One byte flipped in each file of each artifact of a real run: found, named, and its stage runs again with the same result. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { EventStream } from "@trainyard/core/EventStream"
import * as Runner from "@trainyard/core/Runner"
import * as Store from "@trainyard/core/Store"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Layer } from "effect"
import { Corpus, Dataset, Model, Split, Tokenizer, TrainedRun } from "../../src/index.ts"
import * as Specimens from "../malformed/specimens.ts"
import { emptyFolder } from "../spawn.ts"

const filesBelow = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

const flip = (file: string) => {
  const bytes = readFileSync(file)
  const middle = bytes.length >> 1
  bytes[middle] = bytes[middle]! ^ 1
  writeFileSync(file, bytes)
}

it.live("one flipped byte in any file of any artifact is found and named, and the stage runs again", () =>
  Effect.gen(function* () {
    const root = emptyFolder()
    const made = yield* Specimens.make(root)
    const kinds = [
      [Corpus, made.corpus],
      [Split, made.split],
      [Tokenizer, made.tokenizer],
      [Dataset, made.dataset],
      [TrainedRun, made.training],
      [Model, made.model]
    ] as const
    const whole = new Map<string, Buffer>()
    for (const [kind, directory] of kinds)
      for (const file of filesBelow(directory).filter((name) => readFileSync(name).length > 0)) {
        whole.set(file, readFileSync(file))
        flip(file)
        const error = yield* Effect.flip(Store.open(kind, directory))
        assert.strictEqual(error.reason, "damaged", file)
        assert.include(error.message, basename(file))
        flip(file)
      }
    assert.isAbove(whole.size, 15)
    // Now all at once: every stage finds its artifact damaged and makes the same again.
    const harmed = [...whole.keys()].filter((file) => basename(file) !== "manifest.json")
    for (const file of harmed) flip(file)
    const result = yield* Runner.run(made.pipeline).pipe(
      Effect.provide(
        Layer.mergeAll(Workspace.layer(join(root, "whole")), EventStream.layer, Specimens.engine)
      )
    )
    assert.deepStrictEqual(
      result.stages.map(({ status }) => status),
      ["ran", "ran", "ran", "ran", "ran", "ran"]
    )
    // A report of how long things took differs; what was computed does not.
    const computed = harmed.filter((file) => /\.(safetensors|bin)$|tokenizer\.json$/.test(file))
    assert.isAbove(computed.length, 6)
    for (const file of computed) assert.isTrue(readFileSync(file).equals(whole.get(file)!), file)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)
