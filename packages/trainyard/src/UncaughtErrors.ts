/**
 * Errors that no fiber catches: an error thrown from a timer or a promise that nobody awaits, a pipeline's own code that ends the process,
 * an output that cannot be written, and what would keep a finished process alive.
 */
import { Layer } from "effect"
import { isDebug } from "./Debug.ts"
import { codes } from "./ExitCode.ts"
import type { Output } from "./Output.ts"
import * as PipelineFile from "./PipelineFile.ts"
import type { Signals } from "./Signals.ts"
import { oneLine } from "./show/format.ts"

const place = (error: Error): string => {
  const frame = /^ +at (?:[^\n]* \()?((?:file:\/\/)?\/[^()\n]+:\d+):\d+\)?$/m.exec(error.stack ?? "")
  return frame?.[1] === undefined ? "" : ` (${frame[1].replace(/^file:\/\//, "")})`
}

/** Installs the handlers for these until the process ends. */
export const install = (
  { errors, flush, screen }: Output["Service"],
  signals: Signals["Service"],
  unwritten: () => string | undefined
) => {
  /** Whether the end of the process has been reported. */
  let reported = false
  /** The pipeline file whose code runs because it is being imported. */
  let loading: string | undefined

  const say = (text: string) => {
    screen.clearLive()
    errors.write(`${text}\n`)
  }

  const onError = (error: unknown) => {
    const text =
      error instanceof Error
        ? `${error.name}: ${oneLine(error.message, 300).replace(/\.$/, "")}${place(error)}`
        : oneLine(String(error), 300)
    const debug = isDebug()
    const rest =
      debug && error instanceof Error ? `\n${error.stack ?? ""}` : " Set TRAINYARD_DEBUG=1 to see all of it."
    reported = true
    say(`Uncaught error: ${text}.${rest}`)
    process.exit(codes.failed)
  }

  const onExit = () => {
    if (reported || signals.received()) return
    process.exitCode = loading === undefined ? codes.failed : codes.wrongUsage
    say(
      `${loading ?? "Code of the pipeline"} ended the process before Trainyard was done. Take its process.exit out; throw an error instead.`
    )
  }

  /** The exit code when all has been written: 0 only where standard output got everything. */
  const whole = (code: number): number => {
    const why = unwritten()
    if (why === undefined) return code
    say(`Standard output is incomplete: ${oneLine(why, 300)}. Write it elsewhere, or free space.`)
    return code === codes.succeeded ? codes.failed : code
  }

  process.on("uncaughtException", onError)
  process.on("exit", onExit)

  return {
    /** Tells these handlers which file is being imported. */
    layer: Layer.succeed(PipelineFile.Loading, (file) => {
      loading = file
    }),
    say,
    /** Ends the process once standard output has been handed over, even if the pipeline's code has left timers and sockets open. */
    leave: (code: number): void => {
      reported = true
      flush(() => setImmediate(() => process.exit(whole(code))))
    }
  }
}
