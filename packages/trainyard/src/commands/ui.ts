/** `trainyard ui`: the runs of a workspace in a browser, live, or as static files. */
import * as RunLog from "@trainyard/core/RunLog"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Option, Path } from "effect"
import { Command, Flag } from "effect/cli"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import { saying } from "../Signals.ts"
import * as Export from "../ui/Export.ts"
import * as Page from "../ui/Page.ts"
import * as Server from "../ui/Server.ts"
import { jsonFlag, runArgument } from "./flags.ts"

const live = Effect.fnUntraced(function* (
  page: Page.Page,
  port: number,
  run: string | undefined,
  json: boolean
) {
  const output = yield* Output
  const { root } = yield* Workspace
  const { address } = yield* Server.serve(page, port)
  const url = run === undefined ? address : `${address}#/run/${run}`
  if (json) output.json({ type: "UiStarted", address: url, workspace: root })
  else
    output.screen.write(
      `The runs of ${root}:\n\n  ${url}\n\nOnly this machine can open it. Ctrl-C stops it; runs go on.\n`
    )
  return yield* Effect.never
})

export const ui = Command.make(
  "ui",
  {
    run: runArgument,
    port: Flag.Int("port").pipe(
      Flag.filter(
        (port) => port >= 0 && port <= 65_535,
        () => "a port, 0 to 65535"
      ),
      Flag.withMetavar("N"),
      Flag.withDescription("Port on 127.0.0.1; 0 takes any that is free"),
      Flag.withDefault(0)
    ),
    export: Flag.String("export").pipe(
      Flag.withMetavar("DIR"),
      Flag.withDescription(
        "Write the page with its runs as static files into this folder, or into one FILE.html, and end"
      ),
      Flag.optional
    ),
    json: jsonFlag,
    workspace: RunOptions.workspaceFlag
  },
  Effect.fn("trainyard.ui")(function* (flags) {
    const chosen = yield* RunOptions.settle(flags)
    const path = yield* Path.Path
    const output = yield* Output
    const show = Effect.gen(function* () {
      const run = Option.isNone(flags.run) ? undefined : path.basename(yield* RunLog.find(flags.run.value))
      const page = yield* Page.load
      if (Option.isNone(flags.export)) return yield* live(page, flags.port, run, flags.json)
      const written = yield* Export.write(page, flags.export.value, run)
      if (flags.json) return output.json({ type: "UiExported", ...written })
      output.screen.write(
        `${written.runs} ${written.runs === 1 ? "run" : "runs"} in ${written.file}: open it in a browser.\n`
      )
    })
    yield* show.pipe(
      Effect.scoped,
      saying("The page is closed."),
      Effect.provide(Workspace.layer(chosen.workspace))
    )
  })
).pipe(
  Command.withDescription(
    "Show the runs of a workspace in a browser: live curves, comparison, graph, artifacts, samples. Only this machine can open the page"
  ),
  Command.withExamples([
    { command: "trainyard ui", description: "Prints the address to open" },
    { command: "trainyard ui --export site", description: "The same page as files, to publish or to send" }
  ])
)
