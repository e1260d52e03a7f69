/** `trainyard status`: the state of a run as a page, from its log; while it runs, afterwards, and after a crash. */
import * as RunLog from "@trainyard/core/RunLog"
import * as Unfinished from "@trainyard/core/Unfinished"
import { Clock, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as CommandServices from "../CommandServices.ts"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import * as Resumable from "../show/Resumable.ts"
import * as StatusPage from "../show/StatusPage.ts"
import * as StoreLines from "../show/StoreLines.ts"
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
    store: RunOptions.storeFlag,
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
      // The run's own state does not depend on whether the store can be reached.
      const held = yield* StoreLines.summary().pipe(
        Effect.catchTag("StoreError", ({ message }) => Effect.succeed({ error: message }))
      )
      if (flags.json) {
        output.json({ ...status, resumable, ...(held === undefined ? {} : { store: held }) })
        return
      }
      output.screen.write(`${StatusPage.page(status, resumable, now).join("\n")}\n`)
      if (held !== undefined)
        output.screen.write(`\n${"error" in held ? held.error : StoreLines.sentence(held)}\n`)
    })
    yield* show.pipe(Effect.provide(CommandServices.store(chosen)))
  })
).pipe(
  Command.withDescription(
    "Show the state of a run as a Markdown page: while it runs, afterwards, or after a crash"
  ),
  Command.withExamples([
    { command: "trainyard status", description: "The newest run" },
    { command: "trainyard status --watch", description: "Update until the run ends" },
    { command: "trainyard status > STATUS.md", description: "Save the page" },
    {
      command: "trainyard status --json | jq '.metrics[] | select(.name == \"loss\").value'",
      description: "For scripts"
    }
  ])
)
