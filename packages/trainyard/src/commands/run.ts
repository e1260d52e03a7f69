/** `trainyard run`: runs a pipeline and shows it. */
import * as Runner from "@trainyard/core/Runner"
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import * as CommandServices from "../CommandServices.ts"
import { goingOn } from "../CommandWords.ts"
import { Ended } from "../ExitCode.ts"
import * as MetricExport from "../MetricExport.ts"
import { Output } from "../Output.ts"
import * as ReportChecks from "../ReportChecks.ts"
import * as Signals from "../Signals.ts"
import * as RunSummary from "../show/RunSummary.ts"
import * as RunView from "../show/RunView.ts"
import * as TensorBoard from "../tensorboard/TensorBoard.ts"
import * as Placing from "../worker/Placing.ts"
import { onFlag, placeFlag } from "../worker/Workers.ts"
import {
  choiceFlags,
  jobsFlag,
  jobsOption,
  jsonFlag,
  paramFlag,
  pipelineArgument,
  planOptions,
  stageFlags,
  storeFlags
} from "./flags.ts"

const checkedFlag = Flag.Boolean("checked").pipe(
  Flag.withDescription(
    "Compare each training step with the reference engine and stop at the first difference (slow)"
  ),
  Flag.withDefault(false)
)

export const run = Command.make(
  "run",
  {
    file: pipelineArgument,
    ...choiceFlags,
    ...storeFlags,
    ...jobsFlag,
    checked: checkedFlag,
    on: onFlag,
    place: placeFlag,
    baseline: ReportChecks.baselineFlag,
    tensorboard: TensorBoard.tensorboardFlag,
    histograms: TensorBoard.histogramsFlag,
    param: paramFlag,
    ...stageFlags,
    json: jsonFlag
  },
  Effect.fn("trainyard.run")(function* (flags) {
    const output = yield* Output
    // What a pipeline file prints must not stand between the lines of JSON.
    if (flags.json) yield* output.onlyJson
    const { screen } = output
    const json = RunView.json(output)
    const running = Effect.gen(function* () {
      const { chosen, file, pipeline } = yield* CommandServices.open(flags.file, flags)
      const baseline = yield* ReportChecks.open(flags.baseline, pipeline)
      const figures = yield* TensorBoard.folder(flags.tensorboard, flags.histograms)
      const command = goingOn(process.argv.slice(2), process.cwd(), process.env, pipeline.parameters)
      const result = yield* Runner.run(pipeline, {
        ...planOptions(flags),
        ...jobsOption(chosen),
        command
      }).pipe(
        TensorBoard.recording(figures),
        MetricExport.recording,
        flags.json ? json.show : RunView.onScreen(screen),
        Effect.provide(Placing.layer({ ...flags, file, pipeline })),
        Effect.provide(CommandServices.layer(chosen, pipeline, { checked: flags.checked })),
        Signals.saying("Interrupted: saving what can be gone on with.")
      )
      return { baseline, pipeline, result }
    })
    const { baseline, pipeline, result } = yield* flags.json ? json.last(running) : running
    if (!flags.json) {
      for (const line of yield* RunSummary.lines(screen, pipeline, result)) screen.write(`${line}\n`)
    }
    const { code } = yield* ReportChecks.conclude(result, baseline)
    if (code !== 0) return yield* new Ended({ code })
  })
).pipe(
  Command.withDescription(
    "Run a pipeline. Cached stages are reused, and an interrupted run resumes. " +
      "Exit codes: 0 succeeded, 1 a stage failed, 2 wrong usage or config, 3 a validation gate failed or the report is worse than the baseline, 130 interrupted (state saved)."
  ),
  Command.withExamples([
    {
      command: "trainyard run pipelines/quickstart.ts",
      description: "Run with the fastest engine that works here"
    },
    {
      command: "trainyard run pipelines/quickstart.ts --backend cpu --threads 2",
      description: "Use the WebAssembly engine with two threads"
    },
    {
      command:
        "trainyard run pipelines/quickstart.ts --set train.steps=400 --set tokenize.vocabularySize=1000",
      description: "Override settings of the file"
    },
    {
      command: "trainyard run pipelines/quickstart.ts --only validate",
      description: "Validate the model that is already trained"
    },
    {
      command: "trainyard run pipelines/quickstart.ts --tensorboard figures",
      description: "Write curves and samples for tensorboard --logdir figures"
    },
    {
      command: "trainyard run pipelines/quickstart.ts --json | tail -n 1",
      description: "For scripts: the last line has the result of the run"
    }
  ])
)
