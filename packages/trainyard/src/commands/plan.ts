/** `trainyard plan`: what a run would do, and why, stage by stage. */
import * as Runner from "@trainyard/core/Runner"
import { Workspace } from "@trainyard/core/Workspace"
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { Output } from "../Output.ts"
import { table } from "../show/Screen.ts"
import * as Workbench from "../Workbench.ts"
import { choiceFlags, jsonFlag, pipelineArgument, planOptions, stageFlags } from "./flags.ts"

const words = { run: "run", reuse: "reuse", skip: "leave out" } as const

export const plan = Command.make(
  "plan",
  { file: pipelineArgument, ...choiceFlags, ...stageFlags, json: jsonFlag },
  Effect.fn("trainyard.plan")(function* (flags) {
    const output = yield* Output
    const { chosen, pipeline } = yield* Workbench.open(flags.file, flags)
    const show = Effect.gen(function* () {
      const { stages } = yield* Runner.plan(pipeline, planOptions(flags))
      if (flags.json) {
        for (const { action, artifact, fingerprint, name, why } of stages) {
          output.json({ name, action, why, fingerprint, directory: artifact?.directory ?? null })
        }
        return
      }
      const { screen } = output
      const runs = stages.filter((stage) => stage.action === "run").length
      const workspace = yield* Workspace
      yield* Console.log(
        `${screen.style("bold", pipeline.name)}: ${runs} of ${stages.length} stages would run in ${workspace.root}`
      )
      const rows = stages.map(({ action, name, why }) => [
        screen.style("cyan", name),
        screen.style(action === "run" ? "yellow" : action === "reuse" ? "green" : "gray", words[action]),
        why
      ])
      for (const line of table(rows)) yield* Console.log(line)
    })
    yield* show.pipe(Effect.provide(Workbench.layer(chosen, pipeline)))
  })
).pipe(
  Command.withDescription("Show what a run would do, and why; nothing runs"),
  Command.withExamples([
    { command: "trainyard plan pipelines/quickstart.ts", description: "Which stages would run, and why" },
    {
      command: "trainyard plan pipelines/quickstart.ts --set tokenize.vocabularySize=2000",
      description: "What a change of config would cost"
    }
  ])
)
