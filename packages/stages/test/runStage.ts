/** Runs one stage alone: in a workspace of its own, its voice recorded. */
import { NodeServices } from "@effect/platform-node"
import type * as Artifact from "@trainyard/core/Artifact"
import { Journal } from "@trainyard/core/Journal"
import type { StageEvent } from "@trainyard/core/RunEvent"
import type * as Stage from "@trainyard/core/Stage"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Layer, Path, Schema, type Scope } from "effect"

export interface Ran<K extends Artifact.Kind> {
  readonly artifact: Artifact.Artifact<K>
  readonly events: ReadonlyArray<StageEvent>
}

type Given<R> = Exclude<R, Journal | Scope.Scope>

/** Runs a node on given input artifacts. The output folder lives until the scope closes. */
export const runStage = <K extends Artifact.Kind, E, R>(
  node: Stage.Node<K, E, R>,
  inputs: Readonly<Record<string, Artifact.Artifact>> = {}
): Effect.Effect<
  Ran<K>,
  E | Schema.SchemaError,
  Given<R> | FileSystem.FileSystem | Workspace | Path.Path | Scope.Scope
> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const workspace = yield* Workspace
    const events: Array<StageEvent> = []
    yield* fs.makeDirectory(workspace.root, { recursive: true }).pipe(Effect.orDie)
    const directory = yield* fs
      .makeTempDirectoryScoped({ directory: workspace.root, prefix: "stage-" })
      .pipe(Effect.orDie)
    const output = path.join(directory, "output")
    const scratch = path.join(directory, "scratch")
    yield* fs.makeDirectory(output).pipe(Effect.orDie)
    yield* fs.makeDirectory(scratch).pipe(Effect.orDie)
    const config = yield* Schema.decodeUnknownEffect(node.stage.config)(node.config) as Effect.Effect<
      unknown,
      Schema.SchemaError
    >
    const made = yield* node.run({ name: node.name, inputs, config, output, scratch }).pipe(
      Effect.scoped,
      Effect.provideService(Journal, {
        publish: (event) => Effect.sync(() => void events.push(event))
      })
    )
    const value = yield* Schema.decodeUnknownEffect(node.kind.value)(
      yield* Schema.encodeUnknownEffect(node.kind.value)(made)
    )
    return {
      artifact: { kind: node.kind.name, value, directory: output, cacheKey: "0" } as Artifact.Artifact<K>,
      events
    }
  }) as Effect.Effect<
    Ran<K>,
    E | Schema.SchemaError,
    Given<R> | FileSystem.FileSystem | Workspace | Path.Path | Scope.Scope
  >

/** Node's services and a workspace in a temporary folder. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-test-" })
    return Workspace.layer(`${directory}/workspace`)
  }).pipe(Effect.orDie)
).pipe(Layer.provideMerge(NodeServices.layer))

/** A journal that nobody reads. */
export const silence = Layer.succeed(Journal, { publish: () => Effect.void })
