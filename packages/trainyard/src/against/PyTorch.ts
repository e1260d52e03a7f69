/** PyTorch beside Trainyard: the same model's training step on the same machine, where a Python with torch is present. */
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { Precision } from "@trainyard/backends/Backend"
import { referenceShape, trainProgram } from "@trainyard/backends/bench/gpt"
import { operationCount } from "@trainyard/backends/bench/operationCount"
import { timingOf } from "@trainyard/backends/bench/timing"
import { Config, Effect, Option, Schema } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

/** A line of `bench --json`, for PyTorch. */
export interface Measurement {
  readonly engine: "pytorch"
  readonly version: string
  readonly precision: Precision
  readonly threads: number
  readonly what: "train-step"
  readonly stepMilliseconds: number
  readonly minimumMilliseconds: number
  readonly lowMilliseconds: number
  readonly highMilliseconds: number
  readonly runs: number
  readonly tokensPerSecond: number
  readonly gflops: number
  readonly shareOfPeak: null
}

export interface Absent {
  readonly engine: "pytorch"
  readonly unavailable: string
}

const script = fileURLToPath(new URL("./pytorch.py", import.meta.url))

const Line = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.String,
    precision: Precision,
    threads: Schema.Int,
    times: Schema.NonEmptyArray(Schema.Finite)
  })
)
const decode = Schema.decodeUnknownOption(Line)

const absent = (unavailable: string): ReadonlyArray<Measurement | Absent> => [
  { engine: "pytorch", unavailable }
]

export interface Options {
  readonly threads: number | undefined
  readonly precision: Precision | undefined
  readonly seconds: number
}

/** Measures PyTorch's training step of the reference model; a line that says why where it cannot. Never fails. */
export const measure = Effect.fn("PyTorch.measure")(function* (options: Options) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const threads = options.threads ?? availableParallelism()
  if (options.precision === "int8")
    return absent("int8 is for generation, and PyTorch's training step is measured")
  const precisions = options.precision ?? "f32,bf16"
  const named = yield* Config.option(Config.NonEmptyString("PYTHON")).pipe(
    Effect.orElseSucceed(() => Option.none<string>())
  )
  const pythons = Option.match(named, {
    onNone: () => ["python3", "/usr/bin/python3"],
    onSome: (python) => [python]
  })
  const python = yield* Effect.findFirst(pythons, (each) =>
    spawner
      .exitCode(
        ChildProcess.make(each, ["-c", "import torch"], {
          stdin: "ignore",
          stdout: "ignore",
          stderr: "ignore"
        })
      )
      .pipe(
        Effect.map((code) => code === 0),
        Effect.orElseSucceed(() => false)
      )
  ).pipe(Effect.map(Option.getOrUndefined))
  if (python === undefined) {
    return absent(
      `no torch in ${pythons.join(" or ")}. Install it (Debian and Ubuntu: apt-get install python3-torch libopenblas0), or name another Python with PYTHON`
    )
  }
  const printed = yield* spawner
    .string(
      ChildProcess.make(python, [script, String(threads), String(options.seconds), precisions], {
        stdin: "ignore",
        stderr: "ignore"
      })
    )
    .pipe(Effect.orElseSucceed(() => ""))
  const operations = operationCount(trainProgram(referenceShape))
  const tokens = referenceShape.batch * referenceShape.time
  const lines = printed.split("\n").flatMap((line) =>
    Option.toArray(
      Option.map(decode(line), ({ precision, threads, times, version }): Measurement => {
        const { high, low, median, minimum, runs } = timingOf(times)
        return {
          engine: "pytorch",
          version,
          precision,
          threads,
          what: "train-step",
          stepMilliseconds: median,
          minimumMilliseconds: minimum,
          lowMilliseconds: low,
          highMilliseconds: high,
          runs,
          tokensPerSecond: (tokens * 1000) / median,
          gflops: operations / median / 1e6,
          shareOfPeak: null
        }
      })
    )
  )
  return lines.length === 0 ? absent(`${python} could not run ${script}`) : lines
})
