/** `trainyard doctor`: what runs here, what does not and why, and how to fix it. */
import { resolve } from "node:path"
import type { Surveyed } from "@trainyard/backends/Engines"
import * as Engines from "@trainyard/backends/Engines"
import { compileHere } from "@trainyard/backends/native/compile"
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Machine from "../Machine.ts"
import { Output } from "../Output.ts"
import * as Resolution from "../Resolution.ts"
import * as RunOptions from "../RunOptions.ts"
import { type Screen, table } from "../show/Screen.ts"
import { jsonFlag } from "./flags.ts"

const engineRow = (screen: Screen, { availability, engine }: Surveyed) =>
  availability.available
    ? [
        `  ${screen.style("cyan", engine)}`,
        screen.style("green", availability.slow === true ? "slow here" : "ready"),
        `${availability.detail} (${availability.precisions.join(", ")})`
      ]
    : [
        `  ${screen.style("cyan", engine)}`,
        screen.style("yellow", "not here"),
        `${availability.why}. ${availability.hint}`
      ]

export const doctor = Command.make(
  "doctor",
  {
    backend: RunOptions.backendFlag.pipe(
      Flag.withDescription(
        "Show the engine of this package or file as well, by its name or path (TRAINYARD_BACKEND)"
      )
    ),
    workspace: RunOptions.workspaceFlag,
    buildNative: Flag.Boolean("build-native").pipe(
      Flag.withDescription("Compile the native engine with this machine's C++ compiler first"),
      Flag.withDefault(false)
    ),
    json: jsonFlag
  },
  Effect.fn("trainyard.doctor")(function* (flags) {
    const output = yield* Output
    const chosen = yield* RunOptions.settle(flags)
    if (flags.buildNative) {
      const outcome = yield* compileHere
      const note = outcome === "" ? "The native engine is compiled here and up to date." : outcome
      yield* flags.json ? Console.error(note) : Console.log(`${note}\n`)
    }
    Resolution.install()
    const engines = yield* Engines.survey(chosen.backend === "auto" ? [] : [chosen.backend])
    const auto = yield* Engines.select({ threads: chosen.threads, precision: chosen.precision }).pipe(
      Effect.option
    )
    const machine = yield* Machine.look(resolve(chosen.workspace))
    if (flags.json) {
      output.json({
        engines: engines.map(({ availability, engine }) => ({ engine, ...availability })),
        auto: Option.getOrNull(
          Option.map(auto, ({ engine, settings, why }) => ({ engine: engine.name, ...settings, why }))
        ),
        machine
      })
      return
    }
    const { screen } = output
    yield* Console.log(screen.style("bold", "Engines"))
    for (const line of table(engines.map((each) => engineRow(screen, each)))) yield* Console.log(line)
    yield* Console.log(
      Option.match(auto, {
        onNone: () => "  auto finds none that works here",
        onSome: ({ engine, settings }) =>
          `  auto takes ${screen.style("bold", engine.name)} (${settings.precision}, ${settings.threads} threads)`
      })
    )
    yield* Console.log(`\n${screen.style("bold", "Machine")}`)
    const rows = machine.map(({ detail, found, name }) => [
      `  ${screen.style("cyan", name)}`,
      found ? screen.style("green", "found") : screen.style("yellow", "look"),
      detail
    ])
    for (const line of table(rows)) yield* Console.log(line)
  })
).pipe(
  Command.withDescription("List the engines that work here, and why others do not, with a fix"),
  Command.withExamples([
    { command: "trainyard doctor", description: "Engines, processor, compiler, git, disk" },
    {
      command: "trainyard doctor --build-native",
      description: "Compile the native engine where no package has it"
    },
    { command: "trainyard doctor --json", description: "One JSON object, for a script or a bug report" }
  ])
)
