/** The process of a worker that runs stages: `node stageProcess.ts OPTIONS`, its worker's options as JSON. It opens the pipeline from the current folder. */
import { setFlagsFromString } from "node:v8"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ComputeIdentity } from "@trainyard/core/CacheKey"
import { StageProcess } from "@trainyard/workers"
import { Context, Effect, Layer, Schema } from "effect"
import * as CommandServices from "../CommandServices.ts"
import * as Engine from "../Engine.ts"
import { RunOptions } from "../Pipeline.ts"
import * as PipelineFile from "../PipelineFile.ts"
import { Spec } from "./Spec.ts"

// As in main.ts.
setFlagsFromString("--semi-space-growth-factor=1")

const Options = Schema.fromJsonString(Schema.Struct({ ...RunOptions.fields, workspace: Schema.String }))
const options = Schema.decodeUnknownSync(Options)(process.argv[2])

const open = Effect.fnUntraced(function* (given: unknown) {
  const { backend, checked, file, param, precision, set } = yield* Schema.decodeUnknownEffect(Spec)(given)
  const { pipeline } = yield* PipelineFile.load(file, param)
  const chosen = { ...options, backend, threads: options.threads, precision: precision ?? undefined }
  const computes = pipeline.nodes.some(({ stage }) => stage.usesBackend)
  const services = yield* Layer.build(
    Layer.mergeAll(
      CommandServices.store(chosen),
      NodeServices.layer,
      computes ? Engine.layer(chosen, { checked }) : Engine.none
    )
  )
  // The engine's layer has put the identity beside the engine.
  const withIdentity = computes ? services : Context.add(services, ComputeIdentity, undefined)
  return { pipeline, set, services: withIdentity }
})

NodeRuntime.runMain(
  StageProcess.serve((spec) =>
    open(spec).pipe(
      Effect.provide(NodeServices.layer),
      Effect.catchDefect((defect) => Effect.fail({ message: String(defect) }))
    )
  ).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  { disableErrorReporting: true }
)
