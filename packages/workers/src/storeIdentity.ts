/** Which store it is: a name in the store itself, so that a queue may serve several, and a worker takes only what belongs to its own. */
import * as Processes from "@trainyard/core/Processes"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path } from "effect"

/** The name of the store of the workspace; the first who asks gives it one. */
export const storeIdentity = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { root } = yield* Workspace
  const file = path.join(root, "store-id")
  const read = Effect.map(fs.readFileString(file), (text) => text.trim())
  const known = yield* Effect.option(read)
  if (known._tag === "Some" && known.value !== "") return known.value
  yield* fs.makeDirectory(root, { recursive: true })
  // Of two that come at once, the first link wins and both read it.
  const own = `${file}.${Processes.unique()}`
  yield* fs.writeFileString(own, `${Processes.unique()}\n`)
  yield* Effect.ignore(fs.link(own, file))
  yield* fs.remove(own)
  return yield* read
})
