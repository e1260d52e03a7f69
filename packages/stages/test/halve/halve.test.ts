import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { Artifact } from "@trainyard/core/Artifact"
import { Journal } from "@trainyard/core/Journal"
import type * as Stage from "@trainyard/core/Stage"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Layer } from "effect"
import { buildDataset } from "../../src/dataset/buildDataset.ts"
import { halve, type Part } from "../../src/halve/halve.ts"
import * as Gpt from "../../src/model/Gpt.ts"
import type { Halving } from "../../src/train/Halving.ts"
import { copyStoppedRun } from "../../src/train/stoppedRun.ts"
import type { TrainedRun } from "../../src/train/TrainedRun.ts"
import { train } from "../../src/train/train.ts"
import { runStage } from "../runStage.ts"

type Run = Artifact<typeof TrainedRun>

/** A run as far as halving looks at it. */
const run = (cacheKey: string, steps: number, bestValidationLoss: number, tokenizer = "t"): Run =>
  ({ kind: "trained-run", cacheKey, directory: "", value: { steps, bestValidationLoss, tokenizer } }) as Run

const dataset = buildDataset({} as never)
/** The node's own types are lost on the way through inputs. */
type HalveNode = Stage.Node<typeof Halving, { readonly message: string }, never>
const sweep = (names: ReadonlyArray<string>, steps: readonly [number, ...Array<number>], keep?: number) =>
  halve({
    steps,
    ...(keep === undefined ? {} : { keep }),
    trials: Object.fromEntries(
      names.map((name) => [name, (part: Part) => train({ ...part, dataset, model: Gpt.tiny })])
    )
  })

const workspace = Layer.provideMerge(
  Layer.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      return Workspace.layer(yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-halve-" }))
    })
  ),
  NodeServices.layer
)

describe("successive halving", () => {
  it("divides each training into parts, and halves the trials between them", () => {
    const runs = sweep(["a", "b", "c", "d"], [10, 20, 40])
    const last = runs.b!
    assert.deepStrictEqual(
      [last.name, last.config.steps, last.config.decaySteps, Object.keys(last.inputs)],
      ["b", 40, 40, ["dataset", "from", "halving"]]
    )
    const before = last.inputs.from!
    assert.deepStrictEqual([before.name, before.config.steps, before.config.decaySteps], ["b-20", 20, 40])
    const halving = last.inputs.halving!
    assert.deepStrictEqual([halving.config.keep, before.inputs.halving?.config.keep], [1, 2])
    assert.deepStrictEqual(
      Object.values(halving.inputs).map(({ name }) => name),
      ["a-20", "b-20", "c-20", "d-20"]
    )
    assert.deepStrictEqual(Object.keys(before.inputs.from!.inputs), ["dataset"])
  })

  it("refuses what makes no sweep in a sentence", () => {
    assert.throws(() => sweep([], [10]), "halve takes 1 to 64 trials, and was given 0.")
    assert.throws(() => sweep(["a"], [10, 10]), "steps of halve must rise, and are 10, 10.")
    assert.throws(() => sweep(["a"], [10], 1), "keep of halve is a share between 0 and 1, and is 1.")
  })

  it.effect("keeps the lowest losses of those that went furthest, and says whom it drops", () =>
    Effect.gen(function* () {
      const node = sweep(["a", "b", "c", "d"], [10, 20, 40]).a!.inputs.halving!.inputs.run1!.inputs
        .halving! as HalveNode
      const { artifact, events } = yield* runStage(node, {
        run1: run("A", 10, 3),
        run2: run("B", 20, 5),
        run3: run("C", 20, 4),
        run4: run("D", 20, 4)
      })
      const { kept, ranking } = artifact.value
      assert.deepStrictEqual(kept, ["C", "D"])
      assert.deepStrictEqual(
        ranking.map(({ trial }) => trial),
        ["c", "d", "b", "a"]
      )
      assert.deepStrictEqual(events, [
        { type: "Note", level: "info", message: "After 20 steps c, d go on; dropped: b, a." }
      ])
      const other = { run1: run("A", 10, 3), run2: run("B", 10, 5, "another") }
      const error = yield* Effect.flip(runStage(node, other))
      assert.match(error.message, /different tokenizers.*Give each tokenizer a sweep/)
    }).pipe(Effect.scoped, Effect.provide(workspace))
  )

  it.effect("a trial that is dropped ends with its files, without the manifest of another artifact", () =>
    Effect.gen(function* () {
      const from = mkdtempSync(join(tmpdir(), "trainyard-halve-"))
      const to = mkdtempSync(join(tmpdir(), "trainyard-halve-"))
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          for (const each of [from, to]) rmSync(each, { recursive: true })
        })
      )
      for (const name of ["curve.jsonl", "manifest.json"]) writeFileSync(join(from, name), name)
      const heard: Array<unknown> = []
      const value = yield* copyStoppedRun({ ...run("A", 10, 3), directory: from }, to).pipe(
        Effect.provideService(Journal, { publish: (event) => Effect.sync(() => void heard.push(event)) })
      )
      assert.strictEqual(value.steps, 10)
      assert.deepStrictEqual(readdirSync(to), ["curve.jsonl"])
      assert.isTrue(existsSync(join(from, "manifest.json")))
      assert.strictEqual(heard.length, 1)
    }).pipe(Effect.scoped, Effect.provide(workspace))
  )
})
