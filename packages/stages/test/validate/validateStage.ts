/** The validate stage as a node of a pipeline, with a small model and a dataset in a workspace of their own. */
import * as Stage from "@trainyard/core/Stage"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Layer, Path } from "effect"
import { Dataset } from "../../src/dataset/Dataset.ts"
import { Model } from "../../src/generate/ModelArtifact.ts"
import { validate } from "../../src/validate/validate.ts"
import { layer, makeDataset, makeModel } from "./laboratory.ts"

/** A stage that makes an artifact of a kind, and is not run in these tests. */
export const source = <K extends typeof Model | typeof Dataset>(output: K) =>
  Stage.make({
    name: output.name,
    version: 1,
    source: import.meta.url,
    inputs: {},
    config: {},
    output,
    run: () => Effect.die("not run in these tests")
  })

type Config = Omit<Parameters<typeof validate>[0], "model" | "dataset" | "name" | "after">
export const node = (config: Config) =>
  validate({ model: source(Model)(), dataset: source(Dataset)(), ...config } as never)

export const placed = Effect.fnUntraced(function* (tested: boolean) {
  const path = yield* Path.Path
  const { root } = yield* Workspace
  const dataset = yield* makeDataset(path.join(root, tested ? "dataset" : "dataset-without-test"), tested)
  const model = yield* makeModel(path.join(root, "model"))
  return { dataset, model }
})
export const place = placed(true)

export const workspace = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return Workspace.layer(yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-validate-" }))
  }).pipe(Effect.orDie)
).pipe(Layer.provideMerge(layer))

export const quick = { maxTokens: 6, documentPrompts: 2, baselinesToBeat: [] } as const
