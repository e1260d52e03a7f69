/** Runs the command line: signals, uncaught errors, one sentence for what goes wrong, and the exit code. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { UserCache } from "@trainyard/core/UserCache"
import { Effect, Layer, Logger } from "effect"
import { CliOutput, Command } from "effect/cli"
import { load, version } from "./command.ts"
import { codeOf, codes, sentenceOf } from "./ExitCode.ts"
import * as Help from "./Help.ts"
import * as Output from "./Output.ts"
import * as Signals from "./Signals.ts"
import * as UncaughtErrors from "./UncaughtErrors.ts"
import { userCache } from "./userCache.ts"

const start = () => {
  // Why standard output lacks something.
  let unwritten: string | undefined
  const output = Output.make(process, (error) => {
    // A reader that has seen enough (`trainyard plan … | head`) closes the pipe, and a closed terminal sends a signal of its own.
    if (error.code !== "EPIPE" && error.code !== "EIO") unwritten ??= error.message
  })
  const signals = Signals.install(output)
  const uncaught = UncaughtErrors.install(output, signals, () => unwritten)

  NodeRuntime.runMain(
    load(process.argv.slice(2)).pipe(
      Effect.flatMap((trainyard) => Command.run(trainyard, { version })),
      Effect.provide(
        Layer.mergeAll(
          NodeServices.layer,
          Output.layer(output),
          Layer.succeed(Signals.Signals, signals),
          uncaught.layer,
          Help.config,
          Layer.succeed(UserCache, userCache(process.env)),
          CliOutput.layerPresenter(Help.presenter),
          Layer.succeed(Logger.LogToStderr, true)
        )
      )
    ),
    {
      disableErrorReporting: true,
      teardown: (exit) => {
        const sentence = sentenceOf(exit)
        if (sentence !== undefined) uncaught.say(sentence)
        uncaught.leave(signals.received() ? codes.interrupted : codeOf(exit))
      }
    }
  )
}

start()
