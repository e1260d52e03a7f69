/** `trainyard adopt`: keeps artifacts that only a change of code, or of the engine's build, made stale. */
import * as Adopt from "@trainyard/core/Adopt"
import { Console, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import * as CommandServices from "../CommandServices.ts"
import { Output } from "../Output.ts"
import { table } from "../show/Screen.ts"
import {
  choiceFlags,
  jsonFlag,
  paramFlag,
  pipelineArgument,
  setFlag,
  stagesArgument,
  storeFlags
} from "./flags.ts"

export const adopt = Command.make(
  "adopt",
  {
    file: pipelineArgument,
    stages: stagesArgument.pipe(
      Argument.withDescription(
        "Stages whose artifacts to keep: train, or collect,tokenize. Their inputs are kept too"
      )
    ),
    ...choiceFlags,
    ...storeFlags,
    param: paramFlag,
    set: setFlag,
    json: jsonFlag
  },
  Effect.fn("trainyard.adopt")(function* (flags) {
    const output = yield* Output
    const { chosen, pipeline } = yield* CommandServices.open(flags.file, flags)
    const records = yield* Adopt.adopt(pipeline, { set: flags.set }, flags.stages).pipe(
      Effect.provide(CommandServices.layer(chosen, pipeline))
    )
    if (flags.json) {
      for (const { artifact, at, cacheKey, node, why } of records) {
        output.json({ name: node, cacheKey, artifact, at, why })
      }
      return
    }
    const { screen } = output
    yield* Console.log(
      `${screen.style("bold", pipeline.name)} keeps these artifacts, made by other code, until the next change. To make one anew: trainyard run ${flags.file} --from STAGE`
    )
    const rows = records.map(({ artifact, node, why }) => [screen.style("cyan", node), artifact, why])
    for (const line of table(rows)) yield* Console.log(line)
  })
).pipe(
  Command.withDescription(
    "Keep artifacts that are out of date only because code or the engine's build changed"
  ),
  Command.withExamples([
    {
      command: "trainyard adopt pipelines/quickstart.ts train",
      description: "Keep the trained run and its inputs, although their code changed"
    }
  ])
)
