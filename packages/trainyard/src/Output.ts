/**
 * The only place that writes to the process's standard output and standard error. All that is for people passes the sanitizer on its way
 * (`Sanitize`), so that no printing place can forget it; what is for programs is JSON.
 */
import { format } from "node:util"
import * as Sanitize from "@trainyard/core/Sanitize"
import { Console, Context, Effect, Layer } from "effect"
import { make as makeScreen, type Screen } from "./show/Screen.ts"

export class Output extends Context.Service<
  Output,
  {
    /** Standard output, for people. */
    readonly screen: Screen
    /** Standard error, for people. */
    readonly errors: Screen
    /** A value as a line of JSON on standard output. */
    readonly json: (value: unknown) => void
    /** Keeps standard output for JSON: what a pipeline file prints by itself goes to standard error from now on. */
    readonly onlyJson: Effect.Effect<void>
    /** Calls back once standard output has been handed over. */
    readonly flush: (done: () => void) => void
  }
>()("trainyard/Output") {}

/** The output of the process; `onUnwritten` is called when standard output cannot be written. */
export const make = (
  { env, stderr, stdout }: Pick<NodeJS.Process, "env" | "stderr" | "stdout">,
  onUnwritten: (error: NodeJS.ErrnoException) => void = () => undefined
): Output["Service"] => {
  stdout.on("error", onUnwritten)
  // A reader that cannot be told why sees the exit code.
  stderr.on("error", () => undefined)
  const screen = makeScreen(stdout, env)
  return Output.of({
    screen,
    errors: makeScreen(stderr, env),
    json: (value) => screen.draw(`${Sanitize.json(value)}\n`),
    flush: (done) => void stdout.write("", done),
    onlyJson: Effect.sync(() => {
      console.log = console.info = console.debug = console.error
    })
  })
}

/** The service, and with it what Effect itself prints: help, mistakes in the command line, log lines. */
export const layer = (output: Output["Service"]): Layer.Layer<Output> => {
  const to =
    (screen: Screen) =>
    (...words: ReadonlyArray<unknown>) =>
      screen.write(`${format(...words)}\n`)
  const out = to(output.screen)
  const err = to(output.errors)
  const sanitizing: Console.Console = Object.assign(Object.create(console), {
    log: out,
    info: out,
    debug: out,
    error: err,
    warn: err,
    trace: err,
    group: out
  })
  return Layer.merge(Layer.succeed(Output, output), Layer.succeed(Console.Console, sanitizing))
}
