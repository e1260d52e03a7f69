/** The engine behind a command: chosen by flag, environment or file, and named in what is fingerprinted. */
import { Backend, EngineFailure, type EngineUnavailable } from "@trainyard/backends/Backend"
import * as Engines from "@trainyard/backends/Engines"
import { ComputeIdentity } from "@trainyard/core/CacheKey"
import { Context, Effect, Layer } from "effect"
import type { Chosen } from "./RunOptions.ts"

export interface Options {
  /** Whether each step runs beside the reference engine. */
  readonly checked?: boolean
}

/** For a pipeline of which no stage says that it computes. */
export const none: Layer.Layer<Backend> = Layer.succeed(
  Backend,
  Backend.of({
    engine: "reference",
    settings: { threads: 1, precision: "f32" },
    why: "no stage computes",
    open: () =>
      Effect.fail(
        new EngineFailure({
          engine: "reference",
          why: "a stage uses an engine without declaring it; set usesBackend: true in its definition",
          transient: false
        })
      )
  })
)

/** `cpu, f32, 2 threads (asked for)`. */
export const describe = ({ engine, settings: { precision, threads }, why }: Backend["Service"]): string =>
  `${engine}, ${precision}, ${threads} ${threads === 1 ? "thread" : "threads"} (${why})`

/** The chosen engine, and its name, precision and build for the cache keys of what it computes. */
export const layer = (
  { backend, precision, threads }: Chosen,
  { checked = false }: Options = {}
): Layer.Layer<Backend, EngineUnavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const selected = yield* Engines.select({ backend, precision, threads, checked })
      const service = Engines.service(selected)
      return Context.make(Backend, service).pipe(
        Context.add(ComputeIdentity, {
          engine: service.engine,
          precision: service.settings.precision,
          description: `${describe(service)}${checked ? ", checked beside reference" : ""}`,
          ...(yield* selected.engine.build)
        })
      )
    })
  )
