/**
 * What reaches no fiber: an error thrown from a timer or a promise that nobody awaits, a pipeline's own code that ends the process, an
 * output that cannot be written, and what would keep a finished process alive.
 */
import { Layer } from "effect"
import { codes } from "./ExitCode.ts"
import type { Output } from "./Output.ts"
import * as PipelineFile from "./PipelineFile.ts"
import type { Signals } from "./Signals.ts"
import { oneLine } from "./show/format.ts"

const place = (error: Error): string => {
  const frame = /^ +at (?:[^\n]* \()?((?:file:\/\/)?\/[^()\n]+:\d+):\d+\)?$/m.exec(error.stack ?? "")
  return frame?.[1] === undefined ? "" : ` (${frame[1].replace(/^file:\/\//, "")})`
}

/** Watches for all of these until the process ends. */
export const install = (
  { errors, flush, screen }: Output["Service"],
  signals: Signals["Service"],
  unwritten: () => string | undefined
) => {
  /** Whether how the process ends is settled and told. */
  let settled = false
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
    const debug = (process.env.TRAINYARD_DEBUG ?? "") !== ""
    const rest =
      debug && error instanceof Error ? `\n${error.stack ?? ""}` : " Set TRAINYARD_DEBUG=1 to see all of it."
    settled = true
    say(`An error that no stage was there to take has ended Trainyard: ${text}.${rest}`)
    process.exit(codes.failed)
  }

  const onExit = () => {
    if (settled || signals.received()) return
    process.exitCode = loading === undefined ? codes.failed : codes.wrongUsage
    say(
      `${loading ?? "Code of the pipeline"} ended the process before Trainyard was done. Take its process.exit out; throw an error instead.`
    )
  }

  /** The exit code when all has been written: 0 only where standard output got everything. */
  const whole = (code: number): number => {
    const why = unwritten()
    if (why === undefined) return code
    say(`Standard output is not whole: ${oneLine(why, 300)}. Write it elsewhere, or make room.`)
    return code === codes.succeeded ? codes.failed : code
  }

  process.on("uncaughtException", onError)
  process.on("exit", onExit)

  return {
    /** Tells the last resort which file is being imported. */
    layer: Layer.succeed(PipelineFile.Loading, (file) => {
      loading = file
    }),
    say,
    /** Ends the process once standard output has been handed over, whatever timers and sockets the pipeline's code has left open. */
    leave: (code: number): void => {
      settled = true
      flush(() => setImmediate(() => process.exit(whole(code))))
    }
  }
}
