/**
 * What reaches no fiber: an error thrown from a timer or a promise that nobody awaits, a pipeline's own code that ends the process, an
 * output that cannot be written, and what would keep a finished process alive.
 */
import { codes } from "./Ending.ts"
import * as PipelineFile from "./PipelineFile.ts"
import * as Signals from "./Signals.ts"
import { makeRoom } from "./show/Block.ts"
import { harmless, oneLine } from "./show/format.ts"

/** Whether how the process ends is settled and told. */
let settled = false

/** Why standard output lacks something. */
let unwritten: string | undefined

const say = (text: string) => {
  makeRoom()
  process.stderr.write(`${text}\n`)
}

const listen = () => {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A reader that has seen enough (`trainyard plan … | head`) closes the pipe, and a closed terminal sends a signal of its own.
    if (error.code !== "EPIPE" && error.code !== "EIO") unwritten ??= error.message
  })
  // Whoever cannot be told why is told by the exit code.
  process.stderr.on("error", () => undefined)
}

const place = (error: Error): string => {
  const frame = /^ +at (?:[^\n]* \()?((?:file:\/\/)?\/[^()\n]+:\d+):\d+\)?$/m.exec(error.stack ?? "")
  return frame?.[1] === undefined ? "" : ` (${frame[1].replace(/^file:\/\//, "")})`
}

const onError = (error: unknown) => {
  const text =
    error instanceof Error
      ? `${error.name}: ${oneLine(error.message, 300).replace(/\.$/, "")}${place(error)}`
      : oneLine(String(error), 300)
  const debug = (process.env.TRAINYARD_DEBUG ?? "") !== ""
  const rest =
    debug && error instanceof Error
      ? `\n${harmless(error.stack ?? "")}`
      : " Set TRAINYARD_DEBUG=1 to see all of it."
  settled = true
  say(`An error that no stage was there to take has ended Trainyard: ${text}.${rest}`)
  process.exit(codes.failed)
}

const onExit = () => {
  if (settled || Signals.received()) return
  const file = PipelineFile.loading()
  process.exitCode = file === undefined ? codes.failed : codes.wrongUsage
  say(
    `${file ?? "Code of the pipeline"} ended the process before Trainyard was done. Take its process.exit out; throw an error instead.`
  )
}

/** Watches for all of these until the process ends. */
export const install = (): void => {
  listen()
  process.on("uncaughtException", onError)
  process.on("exit", onExit)
}

/** The exit code when all has been written: 0 only where standard output got everything. */
const whole = (code: number): number => {
  if (unwritten === undefined) return code
  say(`Standard output is not whole: ${oneLine(unwritten, 300)}. Write it elsewhere, or make room.`)
  return code === codes.succeeded ? codes.failed : code
}

/** Ends the process once standard output has been handed over, whatever timers and sockets the pipeline's code has left open. */
export const leave = (code: number): void => {
  settled = true
  process.stdout.write("", () => setImmediate(() => process.exit(whole(code))))
}
