/** The command line at work: signals, the last resort, one sentence for what goes wrong, and the exit code. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger } from "effect"
import { CliOutput, Command } from "effect/cli"
import { trainyard, version } from "./command.ts"
import { codeOf, codes, sentenceOf } from "./Ending.ts"
import * as Help from "./Help.ts"
import * as LastResort from "./LastResort.ts"
import * as Signals from "./Signals.ts"

const say = (text: string) => process.stderr.write(`${text}\n`)

LastResort.install()
Signals.install()

NodeRuntime.runMain(
  Command.run(trainyard, { version }).pipe(
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        Help.config,
        CliOutput.layerPresenter(Help.presenter),
        Layer.succeed(Logger.LogToStderr, true)
      )
    )
  ),
  {
    disableErrorReporting: true,
    teardown: (exit) => {
      const sentence = sentenceOf(exit)
      if (sentence !== undefined) say(sentence)
      LastResort.leave(Signals.received() ? codes.interrupted : codeOf(exit))
    }
  }
)
