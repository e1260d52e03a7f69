/**
 * Long tests that are not part of `npm test`:
 *
 *     npm run test:soak -- --kills 50                    kill -9 at random moments, then go on: the same bits each time
 *     npm run test:soak -- --kills 50 --mode writes      the same, dying at a random change to the file system
 *     npm run test:soak -- --memory-steps 20000          memory, threads and open files over many small steps
 *     npm run test:soak -- --memory-steps 20000 --leak   the same with leaks of 1 MiB per 1,000 steps, which it must see
 *
 * Options: --family gpt | qwen (gpt), the latter with the recipe for little data; --backend NAME (cpu), --threads N (1) or N,N,..., which
 * killed and resumed runs take in turn, --steps N (800), --seed N;
 * --collections N (8), how often the memory run's garbage is collected for it: with 0 it is left alone, and judged by its resident memory.
 */
import type { ChildProcess } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { writeCorpus } from "./soak/corpus.ts"
import * as Memory from "./soak/memory.ts"
import type { Ended, Job } from "./soak/runs.ts"
import * as Runs from "./soak/runs.ts"

const { values: options } = parseArgs({
  options: {
    kills: { type: "string", default: "0" },
    mode: { type: "string", default: "moments" },
    "memory-steps": { type: "string", default: "0" },
    leak: { type: "boolean", default: false },
    collections: { type: "string", default: "8" },
    family: { type: "string", default: "gpt" },
    backend: { type: "string", default: "cpu" },
    threads: { type: "string", default: "1" },
    steps: { type: "string", default: "800" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) }
  }
})

const home = mkdtempSync(join(tmpdir(), "trainyard-soak-"))
const corpus = join(home, "corpus")
writeCorpus(corpus, 24)

let running: ChildProcess | undefined
process.on("exit", () => {
  running?.kill("SIGKILL")
  rmSync(home, { recursive: true, force: true })
})
process.on("SIGINT", () => process.exit(130))

const family = options.family === "gpt" || options.family === "qwen" ? options.family : undefined
if (family === undefined) {
  process.stderr.write(`--family is gpt or qwen, not ${options.family}.\n`)
  process.exit(2)
}
const job: Job = {
  corpus,
  family,
  backend: options.backend,
  threads: options.threads.split(","),
  steps: options.steps,
  onStart: (child) => {
    running = child
  }
}

const fail = (message: string): never => {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

const resultOf = (workspace: string): string =>
  Runs.resultOf(workspace) ?? fail(`${workspace} holds no single training artifact`)

const random = Runs.seeded(Number(options.seed))

const prepared = join(home, "prepared")
const kills = async (count: number) => {
  const first = await Runs.run(job, prepared, { only: "collect,split,tokenize,dataset" })
  if (first.code !== 0) fail(`The data stages failed:\n${first.output}`)
  const unkilled = join(home, "unkilled")
  cpSync(prepared, unkilled, { recursive: true })
  const countFile = join(home, "count")
  const whole = await Runs.run(job, unkilled, options.mode === "writes" ? { killAtWrite: 0, countFile } : {})
  if (whole.code !== 0) fail(`The unkilled run failed:\n${whole.output}`)
  const expected = resultOf(unkilled)
  const changes = options.mode === "writes" ? Number(readFileSync(countFile, "utf8").trim()) : 0
  if (options.mode === "writes" && !(changes > 0)) fail("No change to the file system was counted")
  process.stdout.write(
    `The unkilled run took ${whole.seconds.toFixed(1)} s${changes > 0 ? ` and changed the file system ${changes} times` : ""}; seed ${options.seed}\n`
  )
  // The share of the run that passes before it trains; hardly any change to the file system is made there.
  const beginning = options.mode === "writes" ? 0 : 1 - Runs.trainingSeconds(whole) / whole.seconds
  let turn = 0
  const fell = { before: 0, in: 0, after: 0 }
  let resumed = 0
  for (let kill = 1; kill <= count; kill++) {
    const workspace = join(home, `run${kill}`)
    cpSync(prepared, workspace, { recursive: true })
    let deaths = 0
    let last: Ended
    // The first blows fall evenly over the whole run, one in each of as many parts as there are runs; the others anywhere.
    let place = (kill - 1 + random()) / count
    // The unkilled run may have been slower, or have logged more often, than this one: a blow that comes too late comes earlier next.
    let reach = 1
    // Each workspace is killed up to three times before it is left to finish.
    for (;;) {
      const attack = deaths < 1 + Math.floor(random() * 3)
      last = await Runs.run(
        job,
        workspace,
        !attack
          ? { turn: ++turn }
          : options.mode === "writes"
            ? { turn: ++turn, killAtWrite: 1 + Math.floor(place * reach * changes) }
            : { turn: ++turn, killAfter: place * reach * whole.seconds }
      )
      if (last.code === null) {
        deaths++
        fell[Runs.momentOf(last)]++
        // What is left is the beginning, and as much of training as the checkpoints do not hold.
        place = random() * (place > beginning ? Math.max(0.2, 1 - place) + beginning : 1)
      } else if (last.code === 0 && deaths === 0) {
        if (resultOf(workspace) !== expected)
          fail(`Kill ${kill}: an unkilled run differs (seed ${options.seed})`)
        reach *= 0.7
        rmSync(workspace, { recursive: true, force: true })
        cpSync(prepared, workspace, { recursive: true })
      } else break
    }
    if (last.code !== 0)
      fail(`Kill ${kill}: the run after ${deaths} deaths ended with ${last.code}:\n${last.output}`)
    if (resultOf(workspace) !== expected)
      fail(`Kill ${kill}: the weights or the curve differ after ${deaths} deaths (seed ${options.seed})`)
    if (last.output.includes('"Resumed"')) resumed++
    process.stdout.write(`${kill}/${count}: ${deaths} ${deaths === 1 ? "death" : "deaths"}, the same bits\n`)
    rmSync(workspace, { recursive: true, force: true })
  }
  process.stdout.write(
    `${count} runs, ${fell.before + fell.in + fell.after} kills that struck (${fell.before} before training, ${fell.in} in it, ${fell.after} after it), ${resumed} finished from a checkpoint: all bit-identical\n`
  )
}

const memory = async (steps: number, leak?: Runs.Leak) => {
  const name = leak ?? "memory"
  const collections = Number(options.collections)
  const file = join(home, `${name}.jsonl`)
  process.env.SOAK_CHECKPOINT_STEPS = "1000"
  const watch = {
    file,
    collectEvery: collections > 0 ? Math.floor(steps / collections) : steps + 1,
    ...(leak === undefined ? {} : { leak })
  }
  const ended = await Runs.run({ ...job, steps: String(steps) }, join(home, name), { watch })
  if (ended.code !== 0) fail(`The run failed:\n${ended.output}`)
  const { ok, text } = Memory.judge(Memory.readSamples(file), steps)
  process.stdout.write(
    `${leak === undefined ? "" : `1 MiB of ${leak === "outside" ? "memory outside V8" : leak} leaked every 1,000 steps. `}${text}\n`
  )
  if (leak === undefined && !ok) fail("Memory, threads or open files grew")
  if (leak !== undefined && ok) fail("The leak was not seen")
}

const count = Number(options.kills)
const steps = Number(options["memory-steps"])
if (count === 0 && steps === 0) fail("Nothing to do: give --kills N or --memory-steps N")
if (count > 0) await kills(count)
if (steps > 0) {
  if (options.leak) {
    for (const leak of Runs.leaks) await memory(steps, leak)
  } else await memory(steps)
}
