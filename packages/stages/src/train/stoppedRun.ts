/** A run of a sweep that does not go on: its artifact once more, in the place of the part that it would have had. */
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import { Journal } from "@trainyard/core/Journal"
import * as Store from "@trainyard/core/Store"
import { Effect, FileSystem } from "effect"
import type { TrainedRun } from "./TrainedRun.ts"

/** Copies a run's files into a folder and gives its value. */
export const copyStoppedRun = Effect.fn("train.copyStoppedRun")(function* (
  run: Artifact<typeof TrainedRun>,
  output: string
) {
  const fs = yield* FileSystem.FileSystem
  const journal = yield* Journal
  yield* journal.publish({
    type: "Note",
    level: "info",
    message: `Dropped from the sweep: it ends with the state of step ${run.value.steps}.`
  })
  yield* fs.copy(run.directory, output, { overwrite: true })
  // The copy gets a manifest of its own.
  yield* fs.remove(join(output, Store.manifestName))
  return run.value
})
