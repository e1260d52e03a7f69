/** Runs the command line as this process: signals, uncaught errors, one sentence for what goes wrong, and the exit code. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { ending, run } from "./commandLine.ts"
import * as Output from "./Output.ts"
import * as Signals from "./Signals.ts"
import * as UncaughtErrors from "./UncaughtErrors.ts"

const start = () => {
  // Why standard output lacks something.
  let unwritten: string | undefined
  const output = Output.make(process, (error) => {
    // A reader that has seen enough (`trainyard plan … | head`) closes the pipe, and a closed terminal sends a signal of its own.
    if (error.code !== "EPIPE" && error.code !== "EIO") unwritten ??= error.message
  })
  const signals = Signals.install(output)
  const uncaught = UncaughtErrors.install(output, signals, () => unwritten)
  const host = { output, signals, loading: uncaught.layer }

  NodeRuntime.runMain(run(process.argv.slice(2), host), {
    disableErrorReporting: true,
    teardown: (exit) => {
      const { code, sentence } = ending(exit, host)
      if (sentence !== undefined) uncaught.say(sentence)
      uncaught.leave(code)
    }
  })
}

start()
