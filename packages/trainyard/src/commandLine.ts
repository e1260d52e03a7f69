/** One command line, from its words to its end: what a command needs of the process is given to it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { UserCache } from "@trainyard/core/UserCache"
import { Effect, type Exit, Layer, Logger } from "effect"
import { CliOutput, Command } from "effect/cli"
import { load, version } from "./command.ts"
import { codeOf, codes, sentenceOf } from "./ExitCode.ts"
import * as Help from "./Help.ts"
import * as Output from "./Output.ts"
import * as Signals from "./Signals.ts"
import { userCache } from "./userCache.ts"

export interface Host {
  readonly output: Output.Output["Service"]
  readonly signals: Signals.Signals["Service"]
  /** Hears which pipeline file is being imported. */
  readonly loading: Layer.Layer<never>
}

/** Runs the command that the words name. */
export const run = (words: ReadonlyArray<string>, { loading, output, signals }: Host) =>
  load(words).pipe(
    Effect.flatMap((trainyard) => Command.runWith(trainyard, { version })(words)),
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        Output.layer(output),
        Layer.succeed(Signals.Signals, signals),
        loading,
        Help.config,
        Layer.succeed(UserCache, userCache(process.env)),
        CliOutput.layerPresenter(Help.presenter),
        Layer.succeed(Logger.LogToStderr, true)
      )
    )
  )

/** How it ended: a sentence for what went wrong, where there is one, and the exit code. */
export const ending = (exit: Exit.Exit<unknown, unknown>, { signals }: Host) => ({
  sentence: sentenceOf(exit),
  code: signals.received() ? codes.interrupted : codeOf(exit)
})
