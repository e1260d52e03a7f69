/** A pipeline that publishes an untrained model, for the playground. It needs no engine and no training. */
import { fileURLToPath } from "node:url"

const stages = (file: string) =>
  JSON.stringify(fileURLToPath(new URL(`../../../stages/${file}`, import.meta.url)))

export const modelPipeline = `
import { Effect } from "effect"
import { Pipeline, Stage } from "@trainyard/core"
import { Model } from ${stages("src/generate/ModelArtifact.ts")}
import { makeModel } from ${stages("test/validate/laboratory.ts")}

const publish = Stage.make({
  name: "publish",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config: {},
  output: Model,
  run: ({ output }) => Effect.map(makeModel(output), ({ value }) => value)
})

export default Pipeline.make("models", () => publish())
`
