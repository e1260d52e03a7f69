/** Notes and tags of a run, in `notes.json` of its folder: the only thing that the page writes. */
import * as Durable from "@trainyard/core/Durable"
import { explain, Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path, Schema } from "effect"
import type { Notes } from "./Payload.ts"

const mostCharacters = 20_000

export const NotesFile = Schema.Struct({
  text: Schema.String.check(Schema.isMaxLength(mostCharacters)),
  tags: Schema.Array(Schema.NonEmptyString.check(Schema.isMaxLength(40))).check(Schema.isMaxLength(20))
})

const fileName = "notes.json"

export const none: Notes = { text: "", tags: [] }

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(NotesFile))

/** The notes of a run; none where there are none or where they cannot be read. */
export const read = Effect.fnUntraced(function* (run: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { runs } = yield* Workspace
  return yield* fs.readFileString(path.join(runs, run, fileName)).pipe(
    Effect.flatMap(decode),
    Effect.orElseSucceed((): Notes => none)
  )
})

/** Replaces the notes of a run that exists. Fails with `WorkspaceError` where the workspace cannot be written. */
export const write = Effect.fnUntraced(function* (run: string, notes: Notes) {
  const path = yield* Path.Path
  const { runs } = yield* Workspace
  const directory = path.join(runs, run)
  yield* Durable.writeFile(path.join(directory, fileName), `${JSON.stringify(notes, null, 1)}\n`).pipe(
    Effect.mapError(explain("Saving the notes", directory))
  )
})
