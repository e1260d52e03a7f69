/** What a command that works on a pipeline needs: the file's pipeline, the options in force, and the services behind them. */
import { find } from "@trainyard/backends/Engine"
import * as Engines from "@trainyard/backends/Engines"
import { EventStream } from "@trainyard/core/EventStream"
import * as SharedStore from "@trainyard/core/SharedStore"
import { CacheLimit } from "@trainyard/core/StoreCache"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Layer } from "effect"
import * as Engine from "./Engine.ts"
import type { Pipeline } from "./Pipeline.ts"
import * as PipelineFile from "./PipelineFile.ts"
import * as RunOptions from "./RunOptions.ts"
import { Signals } from "./Signals.ts"

/** Loads a pipeline file with its parameters, and resolves its options with the flags and the environment. */
export const open = Effect.fn("CommandServices.open")(function* (
  file: string,
  flags: Partial<RunOptions.Flags> & { readonly param?: ReadonlyArray<string> }
) {
  const loaded = yield* PipelineFile.load(file, flags.param)
  const chosen = yield* RunOptions.settle(flags, loaded.pipeline.options)
  // Before anything is written, and where no stage computes too: an unknown engine is a mistake.
  if (chosen.backend !== "auto" && !Engines.isKnown(chosen.backend)) yield* find(chosen.backend)
  return { ...loaded, chosen }
})

/** The stream of the command's run. A second signal ends the run's log before it ends the process. */
const events = Layer.effectDiscard(
  Effect.gen(function* () {
    const signals = yield* Signals
    const { appendSync } = yield* EventStream
    yield* signals.beforeStop(() => appendSync({ type: "RunStopped" }))
  })
).pipe(Layer.provideMerge(EventStream.layer))

/** The workspace, and the store that it shares with others where one is given. */
export const store = (chosen: RunOptions.Chosen) =>
  Layer.mergeAll(
    Workspace.layer(chosen.workspace),
    SharedStore.layer(chosen.store),
    Layer.succeed(
      CacheLimit,
      chosen.storeCache === undefined ? undefined : RunOptions.bytesOf(chosen.storeCache)
    )
  )

/** The workspace, the event stream, and the engine where a stage of the pipeline computes. */
export const layer = (chosen: RunOptions.Chosen, pipeline: Pipeline, options?: Engine.Options) =>
  Layer.mergeAll(
    store(chosen),
    events,
    pipeline.nodes.some((node) => node.stage.usesBackend) ? Engine.layer(chosen, options) : Engine.none
  )
