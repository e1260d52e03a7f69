/** `trainyard monitor`: the live screen of a run, in another terminal. `status --watch` shows the same. */
import * as RunLog from "@trainyard/core/RunLog"
import type { RunStatus } from "@trainyard/core/RunStatus"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import { Output } from "../Output.ts"
import * as RunOptions from "../RunOptions.ts"
import * as FullScreen from "../show/FullScreen.ts"
import * as MonitorScreen from "../show/MonitorScreen.ts"
import type { Screen } from "../show/Screen.ts"
import * as Watching from "../Watching.ts"
import { runArgument } from "./flags.ts"

/** q, Ctrl-C, Ctrl-D, Escape. */
const leaving = new Set(["q", "Q", "\u0003", "\u0004", "\u001b"])

/** Waits for q or Ctrl-C, keys read one by one until the scope closes. Waits for ever where there is no keyboard. */
const leaveKey = Effect.gen(function* () {
  const { stdin } = process
  if (!stdin.isTTY) return yield* Effect.never
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      stdin.setRawMode(true)
      stdin.resume()
    }),
    () =>
      Effect.sync(() => {
        stdin.setRawMode(false)
        stdin.pause()
      })
  )
  yield* Effect.callback<void>((resume) => {
    const onData = (data: Buffer) => {
      if (leaving.has(data.toString())) resume(Effect.void)
    }
    stdin.on("data", onData)
    return Effect.sync(() => stdin.removeListener("data", onData))
  })
})

const live = (screen: Screen, directory: string) =>
  Effect.gen(function* () {
    const whole = yield* FullScreen.open(screen)
    const draw = (status: RunStatus) =>
      whole.show((columns, rows) =>
        MonitorScreen.compose(screen, status, columns, rows, "q leaves; the run goes on")
      )
    return yield* Effect.raceFirst(
      Watching.follow(directory, "500 millis", draw).pipe(Effect.asSome),
      Effect.as(leaveKey, Option.none<RunStatus>())
    )
  }).pipe(Effect.scoped)

const plain = (screen: Screen, directory: string) => {
  let before = ""
  const show = (status: RunStatus) =>
    Effect.sync(() => {
      const text = MonitorScreen.compose(screen, status, screen.columns(), screen.rows(), "").join("\n")
      if (text !== before) screen.write(`${before === "" ? "" : "\n"}${text}\n`)
      before = text
    })
  return Watching.follow(directory, "10 seconds", show)
}

/** Shows a run until it ends or the user leaves: full screen on a terminal, one state after another elsewhere. */
export const watch = Effect.fnUntraced(function* (screen: Screen, directory: string) {
  if (!screen.live) {
    yield* plain(screen, directory)
    return
  }
  const last = yield* live(screen, directory)
  if (Option.isSome(last)) {
    const lines = MonitorScreen.compose(screen, last.value, screen.columns() - 1, screen.rows() - 1, "")
    screen.write(`${lines.join("\n")}\n`)
  }
})

export const monitor = Command.make(
  "monitor",
  { run: runArgument, workspace: RunOptions.workspaceFlag },
  Effect.fn("trainyard.monitor")(function* (flags) {
    const chosen = yield* RunOptions.settle(flags)
    const { screen } = yield* Output
    const show = Effect.gen(function* () {
      const directory = yield* RunLog.find(Option.getOrUndefined(flags.run))
      yield* watch(screen, directory)
    })
    yield* show.pipe(Effect.provide(Workspace.layer(chosen.workspace)))
  })
).pipe(
  Command.withDescription(
    "Watch a run from another terminal: stages, metrics and their curve, health, samples. Leaving it does not touch the run."
  ),
  Command.withExamples([
    { command: "trainyard monitor", description: "The newest run of .trainyard" },
    { command: "trainyard monitor --workspace /data/yard", description: "Of another workspace" }
  ])
)
