/** General compressors of this machine: the bytes that a text comes to. */
import { Duration, Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

/** Longest that one call may take. */
const limit = Duration.minutes(2)

/** How each is called for so many bytes on standard input. zstd takes memory for its whole window where it does not know their number. */
const options = {
  xz: (_: number) => ["-9e", "-T1", "-c"],
  zstd: (bytes: number) => ["--ultra", "-22", "--long=27", `--stream-size=${bytes}`, "-T1", "-q", "-c"]
} as const

export type CompressorName = keyof typeof options

/** The command as reports show it. */
export const commandOf = (name: CompressorName): string =>
  name === "xz" ? "xz -9e" : "zstd --ultra -22 --long=27"

const environment = () => ({ PATH: process.env.PATH ?? "", LC_ALL: "C" })

/** The first line of what a program prints as its version; "none" where it is not installed. */
export const version = Effect.fn("Compressor.version")(function* (name: CompressorName) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return yield* spawner
    .string(ChildProcess.make(name, ["--version"], { env: environment(), stderr: "ignore" }))
    .pipe(
      Effect.timeout(Duration.seconds(10)),
      Effect.map((text) => text.split("\n", 1)[0]!.trim() || "none"),
      Effect.orElseSucceed(() => "none")
    )
})

/** Bytes of the compressed text, or a sentence part that says why it was not measured. */
export const compressedSize = Effect.fn("Compressor.compressedSize")(
  function* (name: CompressorName, parts: ReadonlyArray<Uint8Array>) {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    const handle = yield* spawner.spawn(
      ChildProcess.make(name, options[name](bytes), {
        env: environment(),
        stdin: Stream.fromIterable(parts),
        stderr: "ignore",
        killSignal: "SIGKILL"
      })
    )
    const size = yield* Stream.runFold(
      handle.stdout,
      () => 0,
      (sum, chunk: Uint8Array) => sum + chunk.length
    )
    const code = yield* handle.exitCode
    return code === 0 ? size : `${name} ended with ${code}`
  },
  (effect, name) =>
    effect.pipe(
      Effect.scoped,
      Effect.timeoutOrElse({
        duration: limit,
        orElse: () => Effect.succeed(`${name} needed more than 2 minutes`)
      }),
      Effect.catch((error) => Effect.succeed(`${name}: ${error.message}`))
    )
)
