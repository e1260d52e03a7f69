/** `run --on`: has the run's stages made by workers. */
import { Backend } from "@trainyard/backends/Backend"
import { checkNames } from "@trainyard/core/Settings"
import { Effect, Layer, Option } from "effect"
import { WrongUsage } from "../ExitCode.ts"
import { Output } from "../Output.ts"
import type { Pipeline } from "../Pipeline.ts"
import { fileOf, type Spec } from "./Spec.ts"
import * as Workers from "./Workers.ts"

export interface Choice {
  readonly on: Option.Option<string>
  readonly place: ReadonlyArray<string>
  readonly file: string
  readonly param: ReadonlyArray<string>
  readonly set: ReadonlyArray<string>
  readonly checked: boolean
  readonly pipeline: Pipeline
}

/** The parameters that the environment gives, as flags. */
const fromEnvironment = ({ parameters }: Pipeline): ReadonlyArray<string> =>
  parameters.flatMap(({ from = "", name }) => {
    const text = from.startsWith("TRAINYARD_PARAM_") ? process.env[from] : undefined
    return text === undefined ? [] : [`${name}=${text}`]
  })

const place = Effect.fnUntraced(function* ({ checked, file, on, param, pipeline, place, set }: Choice) {
  if (Option.isNone(on)) {
    if (place.length === 0) return Layer.empty
    return yield* new WrongUsage({ message: "--place names workers' label, and so needs --on URL." })
  }
  const url = on.value === "queue" ? yield* Workers.queueOf(Option.none()) : on.value
  if (url === undefined) {
    return yield* new WrongUsage({
      message: "--on queue takes the address of the queue from TRAINYARD_QUEUE, which is not set."
    })
  }
  const places = Workers.placesOf(place)
  yield* checkNames(pipeline, "--place", Object.keys(places))
  const { Coordinator, Database, JobQueue, storeIdentity } = yield* Workers.load
  const { errors } = yield* Output
  const { engine, settings } = yield* Backend
  const computes = pipeline.nodes.some((node) => node.stage.usesBackend)
  const spec: Spec = {
    file: fileOf(file, process.cwd()),
    param: [...fromEnvironment(pipeline), ...param],
    set,
    backend: engine,
    precision: computes ? settings.precision : null,
    checked
  }
  return Coordinator.layer({
    spec,
    places,
    lease: yield* Workers.lease,
    store: yield* storeIdentity,
    say: (text) => Effect.sync(() => errors.write(`${text}\n`))
  }).pipe(
    Layer.provide(JobQueue.layer.pipe(Layer.provide(Database.layer(url, `trainyard run ${pipeline.name}`))))
  )
})

/** Has a run's stages made by workers, where the flag `--on` is given. */
export const layer = (choice: Choice) => Layer.unwrap(place(choice))
