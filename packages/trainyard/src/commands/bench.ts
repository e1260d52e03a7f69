/** `trainyard bench`: how fast the engines are here, beside what this machine can do. */
import * as Bench from "@trainyard/backends/bench/Bench"
import { sizeNames, sizes } from "@trainyard/backends/bench/gpt"
import { Console, Effect, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import * as PyTorch from "../against/PyTorch.ts"
import { codes, Ended } from "../ExitCode.ts"
import { Output } from "../Output.ts"
import * as Resolution from "../Resolution.ts"
import * as RunOptions from "../RunOptions.ts"
import * as BenchPage from "../show/BenchPage.ts"
import { cut, type Screen } from "../show/Screen.ts"
import { jsonFlag } from "./flags.ts"

type Line = BenchPage.Line

/** One line of the terminal, drawn again, that says what is being measured: a slow engine's step takes half a minute. */
const progress = (screen: Screen, shown: boolean) => {
  const clear = Effect.sync(() => {
    if (shown) screen.draw("\r\u001b[K")
  })
  const say = (text: string) =>
    Effect.sync(() => {
      if (shown) screen.draw(`\r\u001b[K${cut(text, screen.columns() - 1)}`)
    })
  return { clear, say, style: screen.style }
}

export const bench = Command.make(
  "bench",
  {
    backend: RunOptions.backendFlag.pipe(
      Flag.withDescription(
        "Measure only this engine, one of Trainyard's or the package or file of another (TRAINYARD_BACKEND). Default: all but reference, which takes minutes"
      )
    ),
    threads: RunOptions.threadsFlag.pipe(
      Flag.withDescription(
        "Worker threads, 1 to 64 (TRAINYARD_THREADS). Default: one, and the number of cores"
      )
    ),
    precision: RunOptions.precisionFlag.pipe(
      Flag.withDescription(
        "Precision of matrix products (TRAINYARD_PRECISION). Default: all that the engine has"
      )
    ),
    seconds: Flag.Finite("seconds").pipe(
      Flag.filter(
        (seconds) => seconds > 0 && seconds <= 600,
        () => "a number above 0, up to 600"
      ),
      Flag.withMetavar("S"),
      Flag.withDescription(
        "Seconds to measure a training step, up to three times as many until the median is known to 1 %; matrix product and generation get a third (2)"
      ),
      Flag.withDefault(2)
    ),
    size: Flag.Literals("size", sizeNames).pipe(
      Flag.withDescription(
        "Model to measure: reference has 5.7 million parameters and 8 sequences of 128 tokens a step, 110m has 110 million and one sequence of 1,024"
      ),
      Flag.withDefault("reference")
    ),
    profile: Flag.Boolean("profile").pipe(
      Flag.withDescription("Show the time of every operation of a training step"),
      Flag.withDefault(false)
    ),
    against: Flag.Literals("against", ["pytorch"]).pipe(
      Flag.withDescription(
        "Also measure the same training step with PyTorch, as it is and with torch.compile, in turns with the engines"
      ),
      Flag.optional
    ),
    json: jsonFlag
  },
  Effect.fn("trainyard.bench")(function* (flags) {
    const output = yield* Output
    Resolution.install()
    const all = Option.contains(flags.backend, "all")
    const chosen = yield* RunOptions.settle({
      backend: Option.filter(flags.backend, (backend) => backend !== "all"),
      threads: flags.threads,
      precision: flags.precision
    })
    const wanted: Bench.BenchOptions = {
      engines: all || chosen.backend === "auto" ? undefined : [chosen.backend],
      threads: chosen.threads === undefined ? undefined : [chosen.threads],
      precisions: chosen.precision === undefined ? undefined : [chosen.precision],
      seconds: flags.seconds,
      shape: sizes[flags.size]
    }
    const { absent, rivals } = Option.isSome(flags.against)
      ? yield* PyTorch.rivals({
          threads: chosen.threads,
          precision: chosen.precision,
          shape: sizes[flags.size]
        })
      : { absent: [], rivals: [] }
    const options: Bench.BenchOptions = { ...wanted, rivals }
    const planned = yield* Bench.plan(options)
    const plan: Bench.Plan = { ...planned, absent: [...planned.absent, ...absent] }
    const { measurements } = plan
    const inPlace = output.errors.live && !(flags.json && output.screen.terminal)
    const { clear, say, style } = progress(output.errors, inPlace)

    const starting = (next: Bench.Planned) =>
      say(
        `${measurements.indexOf(next) + 1} of ${measurements.length}: ${BenchPage.settingText(next)}, ${next.what} …`
      )
    const lines = Bench.run(plan, { ...options, starting })

    const found: Array<Line> = []
    const tell = (line: Line) => {
      found.push(line)
      if (flags.json)
        return Effect.andThen(
          clear,
          Effect.sync(() => output.json(line))
        )
      // Minutes pass before the tables; each figure is printed as it is measured, beside them and not in them.
      const text = BenchPage.lineText(line)
      return text === undefined ? Effect.void : Effect.andThen(clear, Console.error(style("gray", text)))
    }
    const close = Effect.suspend(() =>
      flags.json
        ? Effect.void
        : Effect.forEach(
            BenchPage.page(found, { size: flags.size, all: flags.profile }),
            (line) => Console.log(line),
            { discard: true }
          )
    )
    const interrupted = Effect.suspend(() => {
      // Those that were under way have no figure.
      const said = found.filter((line) => !("what" in line) || line.what !== "operation")
      const done = said.length - plan.absent.length
      const left = BenchPage.unmeasured(measurements, done)
      return Effect.andThen(
        close,
        Console.error(`\nInterrupted: ${done} of ${measurements.length} measured. Not measured: ${left}.`)
      )
    })
    yield* Stream.runForEach(lines, tell).pipe(
      Effect.ensuring(clear),
      Effect.onInterrupt(() => interrupted)
    )
    // Why not has been said. The exit code tells a script, which asked for figures of this engine.
    if (measurements.length === 0) return yield* new Ended({ code: codes.wrongUsage })
    yield* close
  })
).pipe(
  Command.withDescription(
    "Measure a training step, a matrix product and generation on each engine, and this machine's peak. " +
      "Ctrl-C shows what was measured so far."
  ),
  Command.withExamples([
    { command: "trainyard bench", description: "All engines, with one thread and with all" },
    {
      command: "trainyard bench --backend cpu --threads 2 --profile",
      description: "One engine, with the time of every operation"
    },
    {
      command: "trainyard bench --against pytorch --threads 2",
      description: "Compared with PyTorch, if Python has torch"
    },
    {
      command: "trainyard bench --size 110m --backend native --against pytorch",
      description: "The same for a model of 110 million parameters"
    },
    {
      command: "trainyard bench --json > bench.jsonl",
      description: "One JSON line for each measurement and each operation"
    }
  ])
)
