/** `trainyard status`: the state of a run as a page, from its log alone; while it runs, afterwards, and after a crash. */
import * as RunLog from "@trainyard/core/RunLog"
import type { RunStatus } from "@trainyard/core/RunStatus"
import * as Unfinished from "@trainyard/core/Unfinished"
import { Workspace } from "@trainyard/core/Workspace"
import { Clock, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import * as FullScreen from "../show/FullScreen.ts"
import { glance } from "../show/LiveSummary.ts"
import * as Resumable from "../show/Resumable.ts"
import type { Screen } from "../show/Screen.ts"
import * as StatusPage from "../show/StatusPage.ts"
import * as Watching from "../Watching.ts"
import { jsonFlag, runArgument } from "./flags.ts"

/** Shows a status that changes: as much as fits, in place. What was shown last stays when watching ends, in whatever way. */
const live = Effect.fnUntraced(function* (screen: Screen, directory: string) {
  let last: RunStatus | undefined
  yield* Effect.gen(function* () {
    const whole = yield* FullScreen.open(screen)
    yield* Watching.follow(directory, "1 second", (status) => {
      last = status
      return whole.show((columns, rows) => glance(screen, status, columns, rows))
    })
  }).pipe(
    Effect.scoped,
    Effect.ensuring(
      Effect.sync(() => {
        if (last === undefined) return
        for (const line of glance(screen, last, screen.columns() - 1, screen.rows() - 2))
          screen.write(`${line}\n`)
      })
    )
  )
})

/** One page or object after another, as the status changes. */
const plain = Effect.fnUntraced(function* (directory: string, json: boolean) {
  const output = yield* Output
  let before = ""
  yield* Watching.follow(directory, json ? "1 second" : "10 seconds", (status) =>
    Effect.sync(() => {
      const text = json ? JSON.stringify(status) : StatusPage.page(status).join("\n")
      if (text === before) return
      if (json) output.json(status)
      else output.screen.write(`${before === "" ? "" : "\n---\n\n"}${text}\n`)
      before = text
    })
  )
})

export const status = Command.make(
  "status",
  {
    run: runArgument,
    watch: Flag.Boolean("watch").pipe(
      Flag.withAlias("w"),
      Flag.withDescription("Update until the run ends"),
      Flag.withDefault(false)
    ),
    json: jsonFlag,
    workspace: RunOptions.workspaceFlag
  },
  Effect.fn("trainyard.status")(function* (flags) {
    const chosen = yield* RunOptions.settle(flags)
    const show = Effect.gen(function* () {
      const output = yield* Output
      const directory = yield* RunLog.find(Option.getOrUndefined(flags.run))
      if (flags.watch) {
        return yield* !flags.json && output.screen.live
          ? live(output.screen, directory)
          : plain(directory, flags.json)
      }
      const status = yield* Watching.now(directory)
      const resumable = Resumable.idle((yield* Unfinished.list()).waiting)
      const now = yield* Clock.currentTimeMillis
      if (flags.json) output.json({ ...status, resumable })
      else output.screen.write(`${StatusPage.page(status, resumable, now).join("\n")}\n`)
    })
    yield* show.pipe(Effect.provide(Workspace.layer(chosen.workspace)))
  })
).pipe(
  Command.withDescription(
    "Show the state of a run as a Markdown page: while it runs, afterwards, or after a crash"
  ),
  Command.withExamples([
    { command: "trainyard status", description: "The newest run" },
    { command: "trainyard status --watch", description: "Update until the run ends" },
    { command: "trainyard status > STATUS.md", description: "Save the page" },
    { command: "trainyard status --json | jq .training.loss", description: "For scripts" }
  ])
)
