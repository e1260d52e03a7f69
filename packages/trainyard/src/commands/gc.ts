/** `trainyard gc`: frees what no pipeline's latest run needs. */
import * as Gc from "@trainyard/core/Gc"
import { Workspace } from "@trainyard/core/Workspace"
import { Console, Effect, FileSystem } from "effect"
import { Command, Flag } from "effect/cli"
import * as Choices from "../Choices.ts"
import { WrongUsage } from "../Ending.ts"
import { bytes } from "../show/format.ts"
import { table } from "../show/Screen.ts"

export const gc = Command.make(
  "gc",
  {
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("List what would go and remove nothing"),
      Flag.withDefault(false)
    ),
    workspace: Choices.workspaceFlag
  },
  Effect.fn("trainyard.gc")(function* (flags) {
    const chosen = yield* Choices.settle(flags)
    const collect = Effect.gen(function* () {
      const { root } = yield* Workspace
      const fs = yield* FileSystem.FileSystem
      if (!(yield* fs.exists(root).pipe(Effect.orElseSucceed(() => true)))) {
        return yield* new WrongUsage({
          message: `There is no workspace ${root}. Name the folder of one with --workspace.`
        })
      }
      const items = yield* Gc.list()
      if (items.length === 0) {
        yield* Console.log(`Nothing in ${root} can go: all of it belongs to the latest run of some pipeline.`)
        return
      }
      for (const line of table(
        items.map((item) => [bytes(item.bytes), item.what, item.path]),
        new Set([0])
      )) {
        yield* Console.log(line)
      }
      const going = flags.dryRun ? items : yield* Gc.remove(items)
      const total = bytes(going.reduce((sum, item) => sum + item.bytes, 0))
      yield* Console.log(
        flags.dryRun
          ? `${total} in ${root} would be freed; run it without --dry-run to remove them.`
          : `${total} freed in ${root}.`
      )
    })
    yield* collect.pipe(Effect.provide(Workspace.layer(chosen.workspace)))
  })
).pipe(
  Command.withDescription(
    "Free space: remove artifacts, logs and leftovers that no pipeline's latest run needs"
  ),
  Command.withExamples([
    { command: "trainyard gc --dry-run", description: "See what would go" },
    { command: "trainyard gc", description: "Remove it" }
  ])
)
