/** Which store it is: a name in the store itself, so that a queue may serve several, and a worker takes only what belongs to its own. */
import * as Processes from "@trainyard/core/Processes"
import { SharedStore } from "@trainyard/core/SharedStore"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Option, Path } from "effect"

const name = "store-id"

/** The name that a folder holds; the first who asks gives it one. */
const ofFolder = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(root, name)
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

/** The name of the shared store, or of the workspace where there is none. */
export const storeIdentity = Effect.gen(function* () {
  const shared = yield* SharedStore
  if (shared === undefined) return yield* ofFolder((yield* Workspace).root)
  const { read, write } = shared.objects
  const own = Processes.unique()
  const answer = yield* write(name, `${own}\n`, { ifAbsent: true })
  return answer === "written" ? own : Option.getOrElse(yield* read(name), () => own).trim()
})
