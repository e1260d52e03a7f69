/** `trainyard status`: the state of a run as a page, from its log; while it runs, afterwards, and after a crash. */
import * as RunLog from "@trainyard/core/RunLog"
import * as Unfinished from "@trainyard/core/Unfinished"
import { Workspace } from "@trainyard/core/Workspace"
import { Clock, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import * as Resumable from "../show/Resumable.ts"
import * as StatusPage from "../show/StatusPage.ts"
import * as Watching from "../Watching.ts"
import { jsonFlag, runArgument } from "./flags.ts"
import * as Monitor from "./monitor.ts"

/** The status as one line of JSON after another, as it changes. */
const watchAsJson = Effect.fnUntraced(function* (directory: string) {
  const output = yield* Output
  let before = ""
  yield* Watching.follow(directory, "1 second", (status) =>
    Effect.sync(() => {
      const text = JSON.stringify(status)
      if (text !== before) output.json(status)
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
      Flag.withDescription(
        "Show the screen of trainyard monitor until the run ends; with --json, each new state on a line"
      ),
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
      if (flags.watch)
        return yield* flags.json ? watchAsJson(directory) : Monitor.watch(output.screen, directory)
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
    "Show the state of a run as a Markdown page; works while it runs, afterwards, and after a crash"
  ),
  Command.withExamples([
    { command: "trainyard status", description: "The newest run" },
    { command: "trainyard status --watch", description: "Keep showing it until the run ends" },
    { command: "trainyard status > STATUS.md", description: "A page to send to somebody" },
    {
      command: "trainyard status --json | jq '.metrics[] | select(.name == \"loss\").value'",
      description: "For a script"
    }
  ])
)
