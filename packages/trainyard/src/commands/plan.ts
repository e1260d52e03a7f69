/** `trainyard plan`: what a run would do, and why, stage by stage. */
import type { PlannedStage } from "@trainyard/core/Plan"
import * as Runner from "@trainyard/core/Runner"
import * as SharedScratch from "@trainyard/core/SharedScratch"
import { SharedStore } from "@trainyard/core/SharedStore"
import * as Unfinished from "@trainyard/core/Unfinished"
import { Workspace } from "@trainyard/core/Workspace"
import { Clock, Console, Effect } from "effect"
import { Command } from "effect/cli"
import * as CommandServices from "../CommandServices.ts"
import { Output } from "../Output.ts"
import * as ParameterTable from "../show/ParameterTable.ts"
import * as Resumable from "../show/Resumable.ts"
import { table } from "../show/Screen.ts"
import {
  choiceFlags,
  jsonFlag,
  paramFlag,
  pipelineArgument,
  planOptions,
  stageFlags,
  storeFlags
} from "./flags.ts"

const isAdoptable = ({ action, candidates }: PlannedStage): boolean =>
  action === "run" && (candidates ?? []).length > 0

/** What runs on other machines have saved in the store towards stages that would run, by name of the stage. */
const savedElsewhere = Effect.fnUntraced(function* (stages: ReadonlyArray<PlannedStage>) {
  const shared = yield* SharedStore
  const found = new Map<string, SharedScratch.Saved>()
  if (shared === undefined) return found
  for (const { action, cacheKey, forced, name, node } of stages) {
    if (action !== "run" || (forced && node.stage.reusable)) continue
    const [furthest] = yield* SharedScratch.of(shared, cacheKey)
    if (furthest !== undefined) found.set(name, furthest)
  }
  return found
})

const words = { run: "run", reuse: "reuse", skip: "leave out" } as const

export const plan = Command.make(
  "plan",
  { file: pipelineArgument, ...choiceFlags, ...storeFlags, param: paramFlag, ...stageFlags, json: jsonFlag },
  Effect.fn("trainyard.plan")(function* (flags) {
    const output = yield* Output
    const { chosen, pipeline } = yield* CommandServices.open(flags.file, flags)
    const show = Effect.gen(function* () {
      const { stages } = yield* Runner.plan(pipeline, planOptions(flags))
      const waiting = Resumable.idle((yield* Unfinished.list()).waiting)
      const saved = yield* savedElsewhere(stages)
      const goesOnFrom = (stage: (typeof stages)[number]) =>
        stage.action === "run" && !(stage.forced && stage.node.stage.reusable)
          ? waiting.find(({ cacheKey }) => cacheKey === stage.cacheKey)
          : undefined
      if (flags.json) {
        for (const parameter of pipeline.parameters) {
          const { name, ...rest } = parameter
          output.json({ parameter: name, ...rest })
        }
        for (const stage of stages) {
          const { action, adopted, artifact, cacheKey, name, why } = stage
          const resumes = goesOnFrom(stage) ?? null
          const directory = artifact?.directory ?? null
          output.json({
            name,
            action,
            why,
            cacheKey,
            directory,
            adopted: adopted !== undefined,
            adoptable: isAdoptable(stage),
            resumes
          })
        }
        return
      }
      const { screen } = output
      const runs = stages.filter((stage) => stage.action === "run").length
      const workspace = yield* Workspace
      yield* Console.log(
        `${screen.style("bold", pipeline.name)}: ${runs} of ${stages.length} stages would run in ${workspace.root}`
      )
      const rows = stages.map((stage) => [
        screen.style("cyan", stage.name),
        screen.style(
          stage.action === "run" ? "yellow" : stage.action === "reuse" ? "green" : "gray",
          words[stage.action]
        ),
        Resumable.planned(
          isAdoptable(stage) ? `${stage.why} (can be kept)` : stage.why,
          goesOnFrom(stage),
          saved.get(stage.name)
        )
      ])
      for (const line of table(rows)) yield* Console.log(line)
      const kept = stages.filter(isAdoptable).map(({ name }) => name)
      if (kept.length > 0) {
        yield* Console.log(
          `Only code, or the engine's build, changed for ${kept.join(", ")}. If that cannot change what they make, keep their artifacts: trainyard adopt ${flags.file} ${kept.join(",")}`
        )
      }
      for (const line of ParameterTable.lines(screen, pipeline.parameters)) yield* Console.log(line)
      const own = new Set(stages.map((stage) => goesOnFrom(stage)))
      const others = waiting.filter((work) => !own.has(work))
      if (others.length > 0) {
        yield* Console.log(
          "\nCan be resumed, but not by this plan, which has another config, code, input or engine:"
        )
        for (const line of Resumable.lines(others, yield* Clock.currentTimeMillis))
          yield* Console.log(`  ${line}`)
      }
    })
    yield* show.pipe(Effect.provide(CommandServices.layer(chosen, pipeline)))
  })
).pipe(
  Command.withDescription("Show which stages would run, and why. Runs nothing"),
  Command.withExamples([
    { command: "trainyard plan pipelines/quickstart.ts", description: "Which stages would run, and why" },
    {
      command: "trainyard plan pipelines/quickstart.ts --set tokenize.vocabularySize=2000",
      description: "What a change of a setting would run again"
    }
  ])
)
