/** The `trainyard` process: signals, streams that close early, one sentence for what goes wrong, and the exit code. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger } from "effect"
import { CliOutput, Command } from "effect/cli"
import { trainyard, version } from "./command.ts"
import { codeOf, codes, sentenceOf } from "./Ending.ts"
import * as Help from "./Help.ts"

const say = (text: string) => process.stderr.write(`${text}\n`)

// A reader that has seen enough (`trainyard plan … | head`) closes the pipe; that is no fault, and the run goes on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
  })
}

let firstSignal: number | undefined

/**
 * The first signal interrupts the run, which saves its state and gives everything back; a second one stops at once. npm and the
 * terminal may both hand on one press of Ctrl-C, so signals that come together count as one.
 */
const onSignal = () => {
  const now = Date.now()
  if (firstSignal === undefined) {
    firstSignal = now
    say("\nInterrupted: saving what can be gone on with. Press Ctrl-C again to stop at once.")
  } else if (now - firstSignal > 500) {
    process.exit(codes.interrupted)
  }
}
process.on("SIGINT", onSignal)
process.on("SIGTERM", onSignal)
// A terminal that is closed takes its programs along; the state is saved all the same.
process.on("SIGHUP", () => process.emit("SIGTERM"))

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
      onExit(firstSignal === undefined ? codeOf(exit) : codes.interrupted)
    }
  }
)
