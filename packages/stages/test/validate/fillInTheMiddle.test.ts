/** Lines that a model fills in, in the report of one that the stages made. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Layer } from "effect"
import { editSimilarity } from "../../src/validate/editSimilarity.ts"
import type { ReportValue } from "../../src/validate/Report.ts"
import { makeMiddleModel } from "../middleModel.ts"
import * as Running from "../runStage.ts"
import { backendOf } from "../train/laboratory.ts"
import { node, place, quick } from "./validateStage.ts"

const config = { ...quick, prompts: [], documentPrompts: 0, baselines: [2], yardsticks: [] } as const

describe("editSimilarity", () => {
  it("is 1 less the edits by the longer length", () => {
    assert.strictEqual(editSimilarity("", ""), 1)
    assert.strictEqual(editSimilarity("abc", "abc"), 1)
    assert.strictEqual(editSimilarity("", "abc"), 0)
    assert.closeTo(editSimilarity("kitten", "sitting"), 1 - 3 / 7, 1e-12)
    assert.strictEqual(editSimilarity("a😀", "a"), 0.5)
  })
})

layer(Layer.provideMerge(backendOf(), Running.layer), { excludeTestServices: true })(
  "lines that are filled in",
  (it) => {
    it.effect("are a section of the report, the same each time, and change no other figure", () =>
      Effect.gen(function* () {
        const { root } = yield* Workspace
        const { dataset, model } = yield* makeMiddleModel(join(root, "middle"))
        const report = (lines: number) =>
          Effect.map(
            Running.runStage(node({ ...config, middleLines: lines }), { model, dataset }),
            ({ artifact }) => artifact
          )
        const [first, second, without] = [yield* report(5), yield* report(5), yield* report(0)]
        const figures: ReportValue["fillInTheMiddle"] = first.value.fillInTheMiddle
        assert.deepInclude(figures, { lines: 5, documents: 1 })
        assert.isAtLeast(figures?.editSimilarity.value ?? -1, 0)
        assert.deepStrictEqual(second.value, first.value)
        const { fillInTheMiddle: _, ...rest } = first.value
        assert.deepStrictEqual(without.value, rest)
        const page = readFileSync(join(first.directory, "report.md"), "utf8")
        assert.include(page, "## Fill in the middle")
        assert.include(page, "5 lines of 1 document of the test split")
        assert.notInclude(readFileSync(join(without.directory, "report.md"), "utf8"), "## Fill in the middle")
      })
    )

    it.effect("are none of a model whose tokenizer has no tokens for them", () =>
      Effect.gen(function* () {
        const { dataset, model } = yield* place
        const { artifact } = yield* Running.runStage(node(config), { model, dataset })
        assert.isUndefined(artifact.value.fillInTheMiddle)
      })
    )
  }
)
