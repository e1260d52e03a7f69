/**
 * Checks texts with a compiler of this machine, where it has one. The compiler reads the text from standard input, gets no environment
 * but the PATH, must be given flags that check the syntax only, and is killed after 10 seconds. Nothing that it could produce is run.
 */
import { Duration, Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

/** `error` is the first error that counts. */
export interface Checked {
  readonly passes: boolean
  readonly error: string | null
}

/** A compiler as it was found on this machine, or why there is none. */
export type Compiler =
  | {
      readonly available: true
      /** Name and version as reports show them, such as "gcc 12.2.0". */
      readonly name: string
      readonly check: (text: string) => Effect.Effect<Checked>
    }
  | { readonly available: false; readonly why: string }

/** How a compiler is called. */
export interface Command {
  readonly command: string
  /** Makes it print its version. */
  readonly versionArguments: ReadonlyArray<string>
  /** Makes it check the text on standard input. */
  readonly arguments: ReadonlyArray<string>
  /** A correct text, to see whether it works: a driver can print its version though the compiler behind it is missing. */
  readonly sample: string
  /** Reads its output on standard error. An exit code without an explanation is not an error of the text. */
  readonly read: (output: string) => { readonly error: string | null; readonly explained: boolean }
}

/** Longest that a compiler may take for one text. */
const limit = Duration.seconds(10)

/** Nothing but this: CPATH, PYTHONPATH and their like would let a text reach files. */
const environment = (path: string) => ({ PATH: path, LC_ALL: "C" })

const firstLine = (text: string): string => text.split("\n", 1)[0]!.trim()

const check = Effect.fnUntraced(function* (command: Command, path: string, text: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(
    ChildProcess.make(command.command, command.arguments, {
      env: environment(path),
      stdin: Stream.make(new TextEncoder().encode(text)),
      stdout: "ignore",
      killSignal: "SIGKILL"
    })
  )
  const output = yield* handle.stderr.pipe(Stream.decodeText(), Stream.mkString)
  return { output, exitCode: yield* handle.exitCode }
}, Effect.scoped)

/** The first line of what it prints about its version, or why it cannot be used. */
const probe = Effect.fnUntraced(function* (command: Command, path: string) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const name = command.command
  const absent = `no working ${name} is on the PATH; install ${name} to have this measured`
  const version = yield* spawner
    .string(ChildProcess.make(name, command.versionArguments, { env: environment(path), stderr: "ignore" }))
    .pipe(
      Effect.timeout(limit),
      Effect.map(firstLine),
      Effect.orElseSucceed(() => "")
    )
  if (version === "") return { version: null, why: absent }
  const { exitCode, output } = yield* check(command, path, command.sample).pipe(
    Effect.timeout(limit),
    Effect.catch((error) => Effect.succeed({ exitCode: -1, output: error.message }))
  )
  return exitCode === 0
    ? { version }
    : { version: null, why: `${absent} (${version} cannot compile: ${firstLine(output)})` }
})

/**
 * The version of what `find` would find, or "none": an external digest.
 *
 * @param path folders to look in, as in the PATH environment variable
 */
export const describe = Effect.fn("Compiler.describe")(function* (
  command: Command,
  path: string = process.env.PATH ?? ""
) {
  return (yield* probe(command, path)).version ?? "none"
})

/** "gcc (Debian 12.2.0-14) 12.2.0" as "gcc 12.2.0". */
const shortName = (command: string, version: string): string => {
  const number = version.match(/\d+(\.\d+)+/g)?.at(-1)
  return number === undefined ? version : `${command} ${number}`
}

/**
 * Looks for a compiler on the path.
 *
 * @param path folders to look in, as in the PATH environment variable
 */
export const find = Effect.fn("Compiler.find")(function* (
  command: Command,
  path: string = process.env.PATH ?? ""
) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const name = command.command
  const found = yield* probe(command, path)
  if (found.version === null) {
    const compiler: Compiler = { available: false, why: found.why }
    return compiler
  }
  const compiler: Compiler = {
    available: true,
    name: shortName(name, found.version),
    check: (text) =>
      check(command, path, text).pipe(
        Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, spawner),
        Effect.map(({ exitCode, output }): Checked => {
          const { error, explained } = command.read(output)
          if (error !== null) return { passes: false, error }
          return exitCode === 0 || explained
            ? { passes: true, error: null }
            : { passes: false, error: `${name} ended with ${exitCode}: ${firstLine(output)}` }
        }),
        Effect.timeoutOrElse({
          duration: limit,
          orElse: () =>
            Effect.succeed<Checked>({ passes: false, error: `${name} needed more than 10 seconds` })
        }),
        Effect.catch((error) =>
          Effect.succeed<Checked>({ passes: false, error: `${name}: ${error.message}` })
        )
      )
  }
  return compiler
})
