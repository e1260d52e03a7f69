/** Runs of the soak pipeline in processes of their own, killed when and where one asks for it, and what they end with. */
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../../packages/trainyard/src/main.ts", import.meta.url))
const killer = new URL("./killAtWrite.mjs", import.meta.url).href
const watcher = new URL("./watchMemory.mjs", import.meta.url).href

/** The pipeline's file. */
export const pipeline = fileURLToPath(new URL("./pipeline.ts", import.meta.url))

export interface Ended {
  /** Null after a kill. */
  readonly code: number | null
  readonly output: string
  readonly seconds: number
}

export interface Job {
  readonly corpus: string
  readonly backend: string
  /** Numbers of threads, of which the runs take one after the other. */
  readonly threads: ReadonlyArray<string>
  readonly steps: string
  /** GPT-2's unless said. */
  readonly family?: "gpt" | "qwen"
  /** Told of each process as it starts. */
  readonly onStart?: (child: ChildProcess) => void
}

export interface Fate {
  /** Seconds after which the process gets SIGKILL. */
  readonly killAfter?: number
  /** Number of the change to the file system at which it kills itself; 0 only counts them. */
  readonly killAtWrite?: number
  /** Where the count goes. */
  readonly countFile?: string
  readonly only?: string
  /** Which of the job's numbers of threads it takes, from 0 and round again; the first unless told. */
  readonly turn?: number
  /** Notes the process's memory by step. */
  readonly watch?: Watch
}

/** Where a leak is: in V8's heap, in its buffers, or in memory that V8 does not count. */
export const leaks = ["objects", "buffers", "outside"] as const
export type Leak = (typeof leaks)[number]

export interface Watch {
  readonly file: string
  /** Steps from one collection of garbage to the next. */
  readonly collectEvery: number
  /** What it is made to leak, 1 MiB every 1,000 steps. */
  readonly leak?: Leak
}

/** Runs the pipeline in a workspace. */
export const run = (job: Job, workspace: string, fate: Fate = {}): Promise<Ended> =>
  new Promise((resolve) => {
    const start = performance.now()
    const injected = fate.killAtWrite !== undefined
    const child = spawn(
      process.execPath,
      [
        "--conditions=trainyard-source",
        ...(injected ? ["--import", killer] : []),
        ...(fate.watch === undefined ? [] : ["--import", watcher]),
        main,
        "run",
        pipeline,
        "--workspace",
        workspace,
        "--backend",
        job.backend,
        "--threads",
        job.threads[(fate.turn ?? 0) % job.threads.length] ?? "1",
        "--json",
        ...(fate.only === undefined ? [] : ["--only", fate.only])
      ],
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          SOAK_CORPUS: job.corpus,
          SOAK_STEPS: job.steps,
          SOAK_FAMILY: job.family ?? "gpt",
          ...(injected ? { SOAK_KILL_BELOW: workspace, SOAK_KILL_AT: String(fate.killAtWrite) } : {}),
          ...(fate.countFile === undefined ? {} : { SOAK_COUNT_FILE: fate.countFile }),
          ...(fate.watch === undefined
            ? {}
            : {
                SOAK_MEMORY_FILE: fate.watch.file,
                SOAK_COLLECT_STEPS: String(fate.watch.collectEvery),
                SOAK_LEAK: fate.watch.leak ?? ""
              })
        }
      }
    )
    job.onStart?.(child)
    let output = ""
    child.stdout.on("data", (text) => (output += text))
    child.stderr.on("data", (text) => (output += text))
    const timer =
      fate.killAfter === undefined
        ? undefined
        : setTimeout(() => child.kill("SIGKILL"), fate.killAfter * 1000)
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve({ code, output, seconds: (performance.now() - start) / 1000 })
    })
  })

/** How long the training of a finished run took. */
export const trainingSeconds = ({ output }: Ended): number => {
  const moment = (type: string) =>
    Date.parse(new RegExp(`"at":"([^"]+)","type":"${type}","stage":"train"`).exec(output)?.[1] ?? "")
  return (moment("StageFinished") - moment("StageStarted")) / 1000
}

/** When a run was killed, by what it had said until then. */
export const momentOf = ({ output }: Ended): "before" | "in" | "after" =>
  !output.includes('"type":"StageStarted","stage":"train"')
    ? "before"
    : output.includes('"type":"StageFinished","stage":"train"')
      ? "after"
      : "in"

/** One digest over the weights, the optimizer and the curve of the finished training, or undefined where there is no single one. */
export const resultOf = (workspace: string): string | undefined => {
  const stage = join(workspace, "artifacts", "train")
  const [fingerprint, ...others] = existsSync(stage) ? readdirSync(stage) : []
  if (fingerprint === undefined || others.length > 0) return undefined
  const hash = createHash("sha256")
  for (const file of [
    "best/parameters.safetensors",
    "last/parameters.safetensors",
    "last/optimizer.safetensors",
    "curve.jsonl"
  ])
    hash.update(readFileSync(join(stage, fingerprint, file)))
  return hash.digest("hex")
}

/** A seeded source of numbers in [0, 1), so that a failure can be repeated. */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
