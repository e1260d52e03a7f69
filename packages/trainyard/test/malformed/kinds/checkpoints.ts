/** Checkpoint folders: the newest is damaged, and training looks for one to go on from. */
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Journal } from "@trainyard/core/Journal"
import * as CheckpointFolder from "@trainyard/stages/train/CheckpointFolder"
import * as Checkpoints from "@trainyard/stages/train/Checkpoints"
import { restore } from "@trainyard/stages/train/Restore"
import { Effect } from "effect"
import { type Kind, passedOver, taken } from "../cases.ts"
import { harmJson, harms } from "../damage.ts"
import { checkpointFiles, origin, spec } from "../specimens.ts"

const harmNames = Object.keys(harms)

/** The files of a checkpoint with one replaced by what is well-formed on disk and wrong inside. */
const misled = (name: string, edit: (bytes: Buffer) => Buffer | string) =>
  checkpointFiles(8).map((file) =>
    file.name === name ? { name, pieces: [Buffer.from(edit(Buffer.concat(file.pieces)))] } : file
  )

export const checkpoints: Kind = ({ directory, draw }, index) => {
  const newest = join(directory, "step-0000008")
  const harm = harmNames[index % harmNames.length]!
  const names = checkpointFiles(8).map((file) => file.name)
  const inside = index % 3 === 2
  const victim = index % 2 === 0 ? CheckpointFolder.markerName : names[(index >> 1) % names.length]!
  const files = !inside
    ? checkpointFiles(8)
    : index % 2 === 0
      ? misled(
          "state.json",
          (bytes) =>
            harmJson(bytes.toString(), draw, ([first, key]) => first === "state" && key !== undefined).text
        )
      : misled("parameters.safetensors", (bytes) => harms["cut off"]!(bytes, draw))
  return {
    what: inside
      ? `whole, and wrong inside (${index % 2 === 0 ? "state.json" : "parameters.safetensors"})`
      : `${victim}, ${harm}`,
    names: [newest],
    feed: Effect.gen(function* () {
      yield* CheckpointFolder.write(join(directory, "step-0000004"), 4, checkpointFiles(4))
      yield* CheckpointFolder.write(newest, 8, files)
      const file = join(newest, victim)
      if (index === 13) rmSync(file)
      else if (!inside) writeFileSync(file, harms[harm]!(readFileSync(file), draw))
      const { newest: find } = yield* Checkpoints.make({
        root: directory,
        keepLast: 2,
        incompatible: (checkpoint) =>
          Effect.map(
            restore(checkpoint, spec, origin, { averageLast: 0, emaSteps: 0, optimizer: "adamw" }),
            (restored) => (typeof restored === "string" ? restored : undefined)
          )
      })
      const { checkpoint, skipped } = yield* find()
      if (skipped.length === 0) return taken
      if (checkpoint?.step !== 4) return yield* Effect.die(new Error("the checkpoint before is not used"))
      return passedOver(...skipped.map(({ directory: folder, why }) => `${folder}: ${why}`))
    }).pipe(Effect.provideService(Journal, { publish: () => Effect.void }))
  }
}
