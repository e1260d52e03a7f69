/** PyTorch beside Trainyard: the same model's training step on the same machine, where a Python with torch is present. */
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import type { Precision } from "@trainyard/backends/Backend"
import type { Absent, Planned } from "@trainyard/backends/bench/Bench"
import type { GptShape } from "@trainyard/backends/bench/gpt"
import type { Rival } from "@trainyard/backends/bench/Rival"
import { Config, Effect, Option } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import * as Opponent from "./Opponent.ts"

const script = fileURLToPath(new URL("./pytorch.py", import.meta.url))

/** As PyTorch runs it step by step, and as torch.compile makes kernels of it, which needs a C++ compiler and takes a minute. */
export const ways = ["pytorch", "pytorch-compiled"] as const

export interface Options {
  readonly threads: number | undefined
  readonly precision: Precision | undefined
  readonly shape: GptShape
}

/** The first Python that has torch: the one that PYTHON names, or the system's. */
const findPython = Effect.gen(function* () {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
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
  return { python, pythons }
})

/** PyTorch's training step of a model of this shape in each way and precision; a line that says why where it cannot be measured. Never fails. */
export const rivals = Effect.fn("PyTorch.rivals")(function* (options: Options) {
  const absent = (unavailable: string): ReadonlyArray<Absent> => [{ engine: "pytorch", unavailable }]
  if (options.precision === "int8")
    return { rivals: [], absent: absent("int8 is for generation, and PyTorch's training step is measured") }
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const { python, pythons } = yield* findPython
  if (python === undefined)
    return {
      rivals: [],
      absent: absent(
        `no torch in ${pythons.join(" or ")}. Install it (Debian and Ubuntu: apt-get install python3-torch libopenblas0), or name another Python with PYTHON`
      )
    }
  const threads = options.threads ?? availableParallelism()
  const shape = JSON.stringify(options.shape)
  const precisions = options.precision === undefined ? (["f32", "bf16"] as const) : [options.precision]
  return {
    absent: [],
    rivals: ways.flatMap((engine) =>
      precisions.map((precision): Rival => {
        const planned: Planned = { engine, precision, threads, what: "train-step" }
        return {
          planned,
          open: Opponent.open(engine, python, [script, String(threads), precision, engine, shape]).pipe(
            Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, spawner)
          )
        }
      })
    )
  }
})
