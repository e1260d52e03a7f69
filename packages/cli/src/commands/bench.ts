/** `trainyard bench`: how fast the engines are here, beside what this machine can do. */
import type { EngineName } from "@trainyard/backends/Backend"
import * as Bench from "@trainyard/backends/bench/Bench"
import { Console, Effect, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import * as PyTorch from "../against/PyTorch.ts"
import * as Choices from "../Choices.ts"
import { figure, share } from "../show/format.ts"
import { make, table } from "../show/Screen.ts"
import { jsonFlag } from "./flags.ts"

const head = ["engine", "precision", "threads", "what", "ms", "tokens/s", "GFLOP/s", "of peak", "peak"]
const numbers = new Set([2, 4, 5, 6, 7, 8])

type Line = Bench.Line | PyTorch.Measurement | PyTorch.Absent
type Measured = Bench.Measurement | PyTorch.Measurement

/** A measurement's cells; `ms` is of one step, one product, or one token. */
const cells = (line: Measured): ReadonlyArray<string> => [
  line.engine,
  line.precision,
  String(line.threads),
  line.what,
  figure(line.stepMilliseconds),
  line.tokensPerSecond === null ? "" : figure(line.tokensPerSecond),
  figure(line.gflops),
  line.shareOfPeak === null ? "" : share(line.shareOfPeak),
  "peakGflops" in line && line.peakGflops !== null ? figure(line.peakGflops) : ""
]

/** How many times PyTorch's time each engine's training step takes, where both were measured alike. */
const ratios = (lines: ReadonlyArray<Measured>): ReadonlyArray<string> =>
  lines.flatMap((theirs) =>
    theirs.engine !== "pytorch"
      ? []
      : lines.flatMap((ours) => {
          const alike =
            ours.what === "train-step" &&
            ours.threads === theirs.threads &&
            ours.precision === theirs.precision
          if (!alike || ours.engine === "pytorch") return []
          const ratio = theirs.stepMilliseconds / ours.stepMilliseconds
          return [
            `${ours.engine} ${ours.precision} is ${figure(ratio >= 1 ? ratio : 1 / ratio)} times ${ratio >= 1 ? "as fast as" : "slower than"} PyTorch ${theirs.version} with ${theirs.threads} threads`
          ]
        })
  )

const describe = (line: Line): string =>
  "unavailable" in line
    ? `${line.engine}: ${line.unavailable}`
    : line.what === "operation"
      ? `${line.engine} ${line.operation}: ${figure(line.milliseconds)} ms, ${share(line.share)}`
      : `${line.engine}, ${line.precision}, ${line.threads} threads, ${line.what}: ${figure(line.stepMilliseconds)} ms`

export const bench = Command.make(
  "bench",
  {
    backend: Flag.Literals("backend", ["all", "cpu", "gpujs", "native", "reference"]).pipe(
      Flag.withDescription("Measure this engine alone; all but reference, which takes minutes, unless told"),
      Flag.withDefault("all")
    ),
    threads: Choices.threadsFlag,
    precision: Choices.precisionFlag,
    seconds: Flag.Finite("seconds").pipe(
      Flag.filter(
        (seconds) => seconds > 0 && seconds <= 600,
        () => "a number above 0, up to 600"
      ),
      Flag.withMetavar("S"),
      Flag.withDescription("Time for each measurement"),
      Flag.withDefault(3)
    ),
    profile: Flag.Boolean("profile").pipe(
      Flag.withDescription("Also say where the time of a training step goes, operation by operation"),
      Flag.withDefault(false)
    ),
    against: Flag.Literals("against", ["pytorch"]).pipe(
      Flag.withDescription("Also measure the same training step elsewhere, in this very run"),
      Flag.optional
    ),
    json: jsonFlag
  },
  Effect.fn("trainyard.bench")(function* (flags) {
    const engines: ReadonlyArray<EngineName> | undefined =
      flags.backend === "all" ? undefined : [flags.backend]
    // A slow engine's step takes half a minute: on a terminal one line says what is being measured, until its result takes its place.
    const { stderr } = process
    const starting = ({ engine, precision, threads, what }: Bench.Next) =>
      Effect.sync(() => stderr.write(`\r\x1b[K${engine}, ${precision}, ${threads} threads, ${what} …`))
    const shown = stderr.isTTY && !flags.json
    const cleared = Effect.sync(() => (shown ? stderr.write("\r\x1b[K") : true))
    const own = Bench.run({
      starting: shown ? starting : undefined,
      engines,
      threads: Option.getOrUndefined(Option.map(flags.threads, (threads) => [threads])),
      precisions: Option.getOrUndefined(Option.map(flags.precision, (precision) => [precision])),
      seconds: flags.seconds,
      profile: flags.profile
    })
    const theirs = Option.isNone(flags.against)
      ? Stream.empty
      : Stream.fromIterableEffect(
          PyTorch.measure({
            threads: Option.getOrUndefined(flags.threads),
            precision: Option.getOrUndefined(flags.precision),
            seconds: flags.seconds
          })
        )
    const lines: Stream.Stream<Line, never, Stream.Services<typeof theirs>> = Stream.concat(own, theirs)
    if (flags.json) {
      yield* Stream.runForEach(lines, (line) => Console.log(JSON.stringify(line)))
      return
    }
    const screen = make(process.stdout)
    const all = yield* lines.pipe(
      // Minutes pass before the table; each line is told as it is measured, beside it and not in it.
      Stream.tap((line) => Effect.andThen(cleared, Console.error(screen.style("gray", describe(line))))),
      Stream.runCollect,
      Effect.ensuring(cleared)
    )
    const measured = all.filter((line) => "stepMilliseconds" in line)
    if (measured.length > 0) {
      yield* Console.log("")
      for (const line of table([head, ...measured.map(cells)], numbers)) yield* Console.log(line)
      yield* Console.log(
        "\nMedians, of the reference model: 256 wide, 4 layers, 8 heads, vocabulary 10,000, batch 8 of 128 tokens.\n" +
          "ms is a training step, a product of 1024×256 by 256×768, or a generated token; peak is this machine's, measured."
      )
    }
    for (const line of ratios(measured)) yield* Console.log(line)
    for (const line of all)
      if ("unavailable" in line) yield* Console.log(`${line.engine}: ${line.unavailable}`)
    for (const line of all) {
      if (!("unavailable" in line) && line.what === "operation") yield* Console.log(describe(line))
    }
  })
).pipe(
  Command.withDescription(
    "Measure a training step, a matrix product and generation on the engines here, beside this machine's measured peak"
  ),
  Command.withExamples([
    { command: "trainyard bench", description: "All engines, at one thread and at all" },
    { command: "trainyard bench --backend cpu --threads 2 --profile", description: "One engine, in detail" },
    {
      command: "trainyard bench --against pytorch --threads 2",
      description: "Beside PyTorch, where a Python with torch is present"
    },
    { command: "trainyard bench --json > bench.jsonl", description: "A line of JSON for each measurement" }
  ])
)
