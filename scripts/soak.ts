/**
 * Long tests that are not part of `npm test`:
 *
 *     npm run test:soak -- --kills 50                    kill -9 at random moments, then go on: the same bits each time
 *     npm run test:soak -- --kills 50 --mode writes      the same, dying at a random change to the file system
 *     npm run test:soak -- --memory-steps 20000          memory, threads and open files over many small steps
 *
 * Options: --backend NAME (cpu), --threads N (1), --steps N (120), --seed N.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { writeCorpus } from "./soak/corpus.ts"
import { describeHealth, readHealth } from "./soak/health.ts"

const { values: options } = parseArgs({
  options: {
    kills: { type: "string", default: "0" },
    mode: { type: "string", default: "moments" },
    "memory-steps": { type: "string", default: "0" },
    backend: { type: "string", default: "cpu" },
    threads: { type: "string", default: "1" },
    steps: { type: "string", default: "120" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) }
  }
})

const main = fileURLToPath(new URL("../packages/cli/src/main.ts", import.meta.url))
const pipeline = fileURLToPath(new URL("./soak/pipeline.ts", import.meta.url))
const killer = new URL("./soak/killAtWrite.mjs", import.meta.url).href
const home = mkdtempSync(join(tmpdir(), "trainyard-soak-"))
const corpus = join(home, "corpus")
writeCorpus(corpus, 24)

let running: ChildProcess | undefined
process.on("exit", () => {
  running?.kill("SIGKILL")
  rmSync(home, { recursive: true, force: true })
})
process.on("SIGINT", () => process.exit(130))

interface Ended {
  readonly code: number | null
  readonly output: string
  readonly seconds: number
}

/** Runs the pipeline; `killAfter` seconds later the process gets SIGKILL. */
const run = (
  workspace: string,
  extra: {
    readonly killAfter?: number
    readonly killAtWrite?: number
    readonly countFile?: string
    readonly only?: string
  } = {},
  steps = options.steps
): Promise<Ended> =>
  new Promise((resolve) => {
    const start = performance.now()
    const injected = extra.killAtWrite !== undefined
    const child = spawn(
      process.execPath,
      [
        ...(injected ? ["--import", killer] : []),
        main,
        "run",
        pipeline,
        "--workspace",
        workspace,
        "--backend",
        options.backend,
        "--threads",
        options.threads,
        "--json",
        ...(extra.only === undefined ? [] : ["--only", extra.only])
      ],
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          SOAK_CORPUS: corpus,
          SOAK_STEPS: steps,
          ...(injected ? { SOAK_KILL_BELOW: workspace, SOAK_KILL_AT: String(extra.killAtWrite) } : {}),
          ...(extra.countFile === undefined ? {} : { SOAK_COUNT_FILE: extra.countFile })
        }
      }
    )
    running = child
    let output = ""
    child.stdout.on("data", (text) => (output += text))
    child.stderr.on("data", (text) => (output += text))
    const timer =
      extra.killAfter === undefined
        ? undefined
        : setTimeout(() => child.kill("SIGKILL"), extra.killAfter * 1000)
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve({ code, output, seconds: (performance.now() - start) / 1000 })
    })
  })

const fail = (message: string): never => {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

/** One digest over the weights, the optimizer and the curve of the finished training. */
const resultOf = (workspace: string): string => {
  const stage = join(workspace, "artifacts", "train")
  const [fingerprint, ...others] = existsSync(stage) ? readdirSync(stage) : []
  if (fingerprint === undefined || others.length > 0)
    return fail(`${stage} holds no single training artifact`)
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

/** A seeded source of numbers in [0, 1), so that a failure can be repeated with --seed. */
let state = Number(options.seed) >>> 0
const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}

const prepared = join(home, "prepared")
const kills = async (count: number) => {
  const first = await run(prepared, { only: "collect,tokenize,dataset" })
  if (first.code !== 0) fail(`The data stages failed:\n${first.output}`)
  const unkilled = join(home, "unkilled")
  cpSync(prepared, unkilled, { recursive: true })
  const countFile = join(home, "count")
  const whole = await run(unkilled, options.mode === "writes" ? { killAtWrite: 0, countFile } : {})
  if (whole.code !== 0) fail(`The unkilled run failed:\n${whole.output}`)
  const expected = resultOf(unkilled)
  const changes = options.mode === "writes" ? Number(readFileSync(countFile, "utf8").trim()) : 0
  if (options.mode === "writes" && !(changes > 0)) fail("No change to the file system was counted")
  process.stdout.write(
    `The unkilled run took ${whole.seconds.toFixed(1)} s${changes > 0 ? ` and changed the file system ${changes} times` : ""}; seed ${options.seed}\n`
  )
  let landed = 0
  let resumed = 0
  for (let kill = 1; kill <= count; kill++) {
    const workspace = join(home, `run${kill}`)
    cpSync(prepared, workspace, { recursive: true })
    let deaths = 0
    let last: Ended
    // Each workspace is killed up to three times before it is left to finish.
    for (;;) {
      const attack = deaths < 1 + Math.floor(random() * 3)
      last = await run(
        workspace,
        !attack
          ? {}
          : options.mode === "writes"
            ? { killAtWrite: 1 + Math.floor(random() * changes) }
            : { killAfter: random() * whole.seconds * 1.05 }
      )
      if (last.code !== null) break
      deaths++
    }
    if (last.code !== 0)
      fail(`Kill ${kill}: the run after ${deaths} deaths ended with ${last.code}:\n${last.output}`)
    if (resultOf(workspace) !== expected)
      fail(`Kill ${kill}: the weights or the curve differ after ${deaths} deaths (seed ${options.seed})`)
    landed += deaths
    if (last.output.includes('"Resumed"')) resumed++
    process.stdout.write(`${kill}/${count}: ${deaths} deaths, the same bits\n`)
    rmSync(workspace, { recursive: true, force: true })
  }
  process.stdout.write(
    `${count} runs, ${landed} kills that struck, ${resumed} finished from a checkpoint: all bit-identical\n`
  )
}

const memory = async (steps: string) => {
  const workspace = join(home, "memory")
  process.env.SOAK_CHECKPOINT_STEPS = "1000"
  const ended = await run(workspace, {}, steps)
  if (ended.code !== 0) fail(`The run failed:\n${ended.output}`)
  const { ok, text } = describeHealth(readHealth(workspace), Number(steps))
  process.stdout.write(`${text}\n`)
  if (!ok) fail("Memory, threads or open files grew")
}

const count = Number(options.kills)
const steps = Number(options["memory-steps"])
if (count === 0 && steps === 0) fail("Nothing to do: give --kills N or --memory-steps N")
if (count > 0) await kills(count)
if (steps > 0) await memory(options["memory-steps"])
