/** `trainyard bench`: how fast the engines are here, beside what this machine can do. */
import * as Bench from "@trainyard/backends/bench/Bench"
import { Console, Effect, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import * as PyTorch from "../against/PyTorch.ts"
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
        "Measure this engine alone, one of Trainyard's or the package or file of another (TRAINYARD_BACKEND); all but reference, which takes minutes, unless told"
      )
    ),
    threads: RunOptions.threadsFlag.pipe(
      Flag.withDescription(
        "Worker threads, 1 to 64 (TRAINYARD_THREADS); one and as many as there are cores, unless told"
      )
    ),
    precision: RunOptions.precisionFlag.pipe(
      Flag.withDescription(
        "Precision of the matrix products (TRAINYARD_PRECISION); all that an engine has, unless told"
      )
    ),
    seconds: Flag.Finite("seconds").pipe(
      Flag.filter(
        (seconds) => seconds > 0 && seconds <= 600,
        () => "a number above 0, up to 600"
      ),
      Flag.withMetavar("S"),
      Flag.withDescription(
        "Time for measuring a training step; a product and generation get a third of it (2)"
      ),
      Flag.withDefault(2)
    ),
    profile: Flag.Boolean("profile").pipe(
      Flag.withDescription("Show every operation of a training step, at every number of threads"),
      Flag.withDefault(false)
    ),
    against: Flag.Literals("against", ["pytorch"]).pipe(
      Flag.withDescription("Also measure the same training step elsewhere, in this very run"),
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
    const options: Bench.BenchOptions = {
      engines: all || chosen.backend === "auto" ? undefined : [chosen.backend],
      threads: chosen.threads === undefined ? undefined : [chosen.threads],
      precisions: chosen.precision === undefined ? undefined : [chosen.precision],
      seconds: flags.seconds
    }
    const against = Option.isSome(flags.against)
    const plan = yield* Bench.plan(options)
    const { measurements } = plan
    const inPlace = output.errors.live && !(flags.json && output.screen.terminal)
    const { clear, say, style } = progress(output.errors, inPlace)

    let begun = 0
    const starting = (next: Bench.Planned) => {
      begun++
      return say(`${begun} of ${measurements.length}: ${BenchPage.settingText(next)}, ${next.what} …`)
    }
    let theirsBegun = false
    const theirs = Stream.fromIterableEffect(
      Effect.suspend(() => {
        theirsBegun = true
        return Effect.andThen(
          say("PyTorch …"),
          PyTorch.measure({ threads: chosen.threads, precision: chosen.precision, seconds: flags.seconds })
        )
      })
    )
    const lines: Stream.Stream<Line, never, Stream.Services<typeof theirs>> = Stream.concat(
      Bench.run(plan, { ...options, starting }),
      against ? theirs : Stream.empty
    )

    const found: Array<Line> = []
    const tell = (line: Line) => {
      found.push(line)
      if (flags.json)
        return Effect.andThen(
          clear,
          Effect.sync(() => output.json(line))
        )
      // Minutes pass before the tables; each figure is told as it is measured, beside them and not in them.
      const text = BenchPage.lineText(line)
      return text === undefined ? Effect.void : Effect.andThen(clear, Console.error(style("gray", text)))
    }
    const close = Effect.suspend(() =>
      flags.json
        ? Effect.void
        : Effect.forEach(BenchPage.page(found, flags.profile), (line) => Console.log(line), { discard: true })
    )
    const interrupted = Effect.suspend(() => {
      // The one that was under way has no figure.
      const done = theirsBegun ? measurements.length : Math.max(0, begun - 1)
      const left = BenchPage.unmeasured(measurements, done, against ? ["PyTorch"] : [])
      return Effect.andThen(
        close,
        Console.error(`\nInterrupted: ${done} of ${measurements.length} measured. Not measured: ${left}.`)
      )
    })
    yield* Stream.runForEach(lines, tell).pipe(
      Effect.ensuring(clear),
      Effect.onInterrupt(() => interrupted)
    )
    yield* close
  })
).pipe(
  Command.withDescription(
    "Measure a training step, a matrix product and generation on the engines here, beside this machine's measured peak, " +
      "and say where a step's time goes. Ctrl-C shows what was measured until then."
  ),
  Command.withExamples([
    { command: "trainyard bench", description: "All engines, at one thread and at all" },
    {
      command: "trainyard bench --backend cpu --threads 2 --profile",
      description: "One engine, every operation of its training step"
    },
    {
      command: "trainyard bench --against pytorch --threads 2",
      description: "Beside PyTorch, where a Python with torch is present"
    },
    {
      command: "trainyard bench --json > bench.jsonl",
      description: "A line of JSON for each measurement, and for each operation of a training step"
    }
  ])
)
