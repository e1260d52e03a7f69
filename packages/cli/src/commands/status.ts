/** `trainyard status`: the state of a run as a page, from its log alone; while it runs, afterwards, and after a crash. */
import * as RunLog from "@trainyard/core/RunLog"
import type { RunStatus } from "@trainyard/core/RunStatus"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Choices from "../Choices.ts"
import { Block } from "../show/Block.ts"
import { glance } from "../show/Glance.ts"
import { make } from "../show/Screen.ts"
import * as StatusPage from "../show/StatusPage.ts"
import * as Watching from "../Watching.ts"
import { jsonFlag, runArgument } from "./flags.ts"

/** Shows a status that changes: what fits, in place, on a terminal; one page or object after another elsewhere. */
const watcher = (json: boolean) => {
  const screen = make(process.stdout)
  const block = new Block(screen)
  let before = ""
  return (status: RunStatus) =>
    Effect.sync(() => {
      if (!json && screen.live) {
        block.draw([], glance(screen, status, screen.columns() - 1, screen.rows() - 2))
        return
      }
      const text = json ? JSON.stringify(status) : StatusPage.page(status).join("\n")
      if (text === before) return
      if (json) screen.write(`${text}\n`)
      else screen.write(`${before === "" ? "" : "\n---\n\n"}${text}\n`)
      before = text
    })
}

export const status = Command.make(
  "status",
  {
    run: runArgument,
    watch: Flag.Boolean("watch").pipe(
      Flag.withAlias("w"),
      Flag.withDescription("Show it again as it changes, until the run ends; on a terminal as much as fits"),
      Flag.withDefault(false)
    ),
    json: jsonFlag,
    workspace: Choices.workspaceFlag
  },
  Effect.fn("trainyard.status")(function* (flags) {
    const chosen = yield* Choices.settle(flags)
    const show = Effect.gen(function* () {
      const directory = yield* RunLog.find(Option.getOrUndefined(flags.run))
      if (flags.watch) {
        const every = flags.json || process.stdout.isTTY ? "1 second" : "10 seconds"
        return yield* Watching.follow(directory, every, watcher(flags.json))
      }
      const status = yield* Watching.now(directory)
      process.stdout.write(`${flags.json ? JSON.stringify(status) : StatusPage.page(status).join("\n")}\n`)
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
    { command: "trainyard status --json | jq .training.loss", description: "For a script" }
  ])
)
