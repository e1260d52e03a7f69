/** `trainyard verify`: whether the fast mode of an engine can be trusted here, with figures. */
import * as Engines from "@trainyard/backends/Engines"
import * as Runner from "@trainyard/core/Runner"
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import * as CommandServices from "../CommandServices.ts"
import { codes, Ended, WrongUsage } from "../ExitCode.ts"
import { Output } from "../Output.ts"
import * as Signals from "../Signals.ts"
import { figure } from "../show/format.ts"
import * as RunView from "../show/RunView.ts"
import { table } from "../show/Screen.ts"
import * as Verification from "../Verification.ts"
import { choiceFlags, jsonFlag, paramFlag, pipelineArgument, stageFlags } from "./flags.ts"

export const verify = Command.make(
  "verify",
  {
    file: pipelineArgument,
    ...choiceFlags,
    steps: Flag.Int("steps").pipe(
      Flag.filter(
        (steps) => steps >= 1 && steps <= 1000,
        () => "a number from 1 to 1000"
      ),
      Flag.withMetavar("N"),
      Flag.withDescription("Training steps to check"),
      Flag.withDefault(3)
    ),
    param: paramFlag,
    set: stageFlags.set,
    json: jsonFlag
  },
  Effect.fn("trainyard.verify")(function* (flags) {
    const output = yield* Output
    if (flags.json) yield* output.onlyJson
    const { screen } = output
    const { chosen, pipeline } = yield* CommandServices.open(flags.file, flags)
    const node = Verification.trainers(pipeline)[0]
    if (node === undefined) {
      return yield* new WrongUsage({
        message: `Pipeline "${pipeline.name}" trains nothing, so there is nothing to verify.`
      })
    }
    const { engine, settings, why } = yield* Engines.select(chosen)
    const name = `${engine.name} (${settings.precision}, ${settings.threads} ${settings.threads === 1 ? "thread" : "threads"})`
    const work = Effect.gen(function* () {
      // What training reads is made first, or taken from the workspace, as a run would.
      const before = [...Verification.ancestors(node)].map((each) => each.name)
      const made = yield* Runner.run(pipeline, { only: before, set: flags.set }).pipe(
        RunView.onScreen(flags.json ? { ...output.errors, live: false } : screen)
      )
      const code = Runner.exitCode(made)
      if (code !== 0) return yield* new Ended({ code })
      const supply = Object.fromEntries(
        made.stages.flatMap(({ artifact, name }) => (artifact === null ? [] : [[name, artifact]]))
      )
      const note = `Verifying ${name}: ${flags.steps} training steps fast, checked and on reference ...`
      yield* flags.json ? Console.error(note) : Console.log(note)
      return yield* Verification.verify(pipeline, node, flags.set, supply, chosen, flags.steps)
    })
    const trials = yield* work.pipe(
      Effect.provide(CommandServices.layer(chosen, pipeline)),
      Signals.saying("Interrupted.")
    )
    const comparison = Verification.compare(settings.precision, trials)
    if (flags.json) {
      output.json({ engine: engine.name, ...settings, chosen: why, steps: flags.steps, ...comparison })
    } else {
      const rows = trials.map(({ how, losses, millisecondsPerStep, problem, validationLoss }) => [
        how,
        problem === undefined ? losses.map((loss) => loss.toFixed(5)).join(" ") : "broke off",
        problem === undefined ? validationLoss.toFixed(5) : "",
        figure(millisecondsPerStep)
      ])
      for (const line of table(
        [["mode", "loss of each step", "validation loss", "ms a step"], ...rows],
        new Set([2, 3])
      )) {
        yield* Console.log(line)
      }
      yield* Console.log(
        comparison.trusted
          ? screen.style("green", `\nThe fast mode of ${name} can be trusted here: ${comparison.why}.`)
          : screen.style("red", `\nThe fast mode of ${name} cannot be trusted here: ${comparison.why}.`)
      )
      if (Number.isFinite(comparison.fromReference)) {
        yield* Console.log(
          `Largest difference of a loss: ${comparison.fromChecked.toExponential(1)} from checked mode, ${comparison.fromReference.toExponential(1)} from reference.`
        )
      }
      if (!comparison.trusted) {
        yield* Console.log(
          "Take another --backend (trainyard doctor lists them), and please report these lines."
        )
      }
    }
    if (!comparison.trusted) return yield* new Ended({ code: codes.failed })
  })
).pipe(
  Command.withDescription(
    "Train a few steps, compare every operation with the reference engine, and report whether the engine computes correctly here. " +
      "Exit codes: 0 it does, 1 it does not."
  ),
  Command.withExamples([
    {
      command: "trainyard verify pipelines/quickstart.ts --backend cpu",
      description: "The WebAssembly engine"
    },
    {
      command: "trainyard verify pipelines/quickstart.ts --backend native --precision bf16 --steps 10",
      description: "The native engine with bfloat16"
    }
  ])
)
