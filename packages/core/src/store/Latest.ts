/**
 * Which artifact each stage of each pipeline last made or used. Plans compare with it, and `gc` keeps what it names.
 */
import { Effect, FileSystem, Path } from "effect"
import * as Durable from "./Durable.ts"
import * as Folders from "./Folders.ts"
import { Workspace } from "./Workspace.ts"

export interface Reference {
  readonly pipeline: string
  readonly node: string
  /** Name of the stage and cache key: where the artifact stands below `artifacts`. */
  readonly stage: string
  readonly cacheKey: string
}

const parse = (pipeline: string, node: string, text: string): Reference | undefined => {
  const match = /^([A-Za-z0-9-]+)\/([0-9a-f]+)\n$/.exec(text)
  return match === null ? undefined : { pipeline, node, stage: match[1]!, cacheKey: match[2]! }
}

/** The artifact that a node last made or used. */
export const read = Effect.fnUntraced(function* (pipeline: string, node: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { latest } = yield* Workspace
  const text = yield* fs
    .readFileString(path.join(latest, pipeline, node))
    .pipe(Effect.orElseSucceed(() => ""))
  return parse(pipeline, node, text)
})

/** Notes the artifact that a node has just made or used. */
export const write = Effect.fnUntraced(function* (reference: Reference) {
  const path = yield* Path.Path
  const { latest } = yield* Workspace
  const before = yield* read(reference.pipeline, reference.node)
  if (before?.cacheKey === reference.cacheKey && before.stage === reference.stage) return
  yield* Folders.make(path.join(latest, reference.pipeline))
  yield* Durable.writeFile(
    path.join(latest, reference.pipeline, reference.node),
    `${reference.stage}/${reference.cacheKey}\n`
  )
})

/** Forgets nodes that a pipeline no longer has. */
export const prune = Effect.fnUntraced(function* (pipeline: string, nodes: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { latest } = yield* Workspace
  const directory = path.join(latest, pipeline)
  const names = yield* fs.readDirectory(directory).pipe(Effect.orElseSucceed((): Array<string> => []))
  for (const name of names) {
    if (!nodes.includes(name))
      yield* fs.remove(path.join(directory, name), { force: true }).pipe(Effect.ignore)
  }
})

/** All references of all pipelines. */
export const all = Effect.fnUntraced(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { latest } = yield* Workspace
  const references: Array<Reference> = []
  const list = (directory: string) =>
    fs.readDirectory(directory).pipe(Effect.orElseSucceed((): Array<string> => []))
  for (const pipeline of yield* list(latest)) {
    for (const node of yield* list(path.join(latest, pipeline))) {
      const reference = yield* read(pipeline, node)
      if (reference !== undefined) references.push(reference)
    }
  }
  return references
})
