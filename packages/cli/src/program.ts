/** The command line at work: signals, streams that close early, one sentence for what goes wrong, and the exit code. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger } from "effect"
import { CliOutput, Command } from "effect/cli"
import { trainyard, version } from "./command.ts"
import { codeOf, codes, sentenceOf } from "./Ending.ts"
import * as Help from "./Help.ts"
import * as Signals from "./Signals.ts"

const say = (text: string) => process.stderr.write(`${text}\n`)

// A reader that has seen enough (`trainyard plan … | head`) closes the pipe; that is no fault, and the run goes on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
  })
}

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
    teardown: (exit, onExit) => {
      const sentence = sentenceOf(exit)
      if (sentence !== undefined) say(sentence)
      onExit(Signals.received() ? codes.interrupted : codeOf(exit))
    }
  }
)
