/**
 * Pipelines that are killed with kill -9 while a part trains, and started again: the same table, the same trials dropped and the same bits as a run
 * that nobody disturbs. In turns in the run's own process, and on two workers of which one is killed as well.
 *
 *     npm run test:workers -- halving 4       sweeps with successive halving
 *     npm run test:workers -- replicas 4      data parallel training
 */
import { createHash } from "node:crypto"
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"
import { Comparison } from "../../packages/core/src/events/Comparison.ts"
import type { Postgres } from "../../packages/workers/test/postgres.ts"
import type { Home } from "./homes.ts"
import { folder as sharedFolder } from "./homes.ts"
import { sleep } from "./kinds.ts"
import { type Started, start } from "./processes.ts"
import * as Sites from "./site.ts"

const example = (path: string) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url))

/** What is killed. */
interface Subject {
  /** Of `trainyard run`: the pipeline and its settings. */
  readonly words: ReadonlyArray<string>
  /** Stages whose artifacts are compared. */
  readonly stages: ReadonlyArray<string>
  /** How the names of its parts begin, and how many there are at most that a kill may wait for. */
  readonly part: string
  readonly parts: number
  readonly hasTable: boolean
}

export const subjects: Readonly<Record<string, Subject>> = {
  halving: {
    words: [example("sweep/halving.ts"), "--param", "steps=20,40,80", "--threads", "1"],
    stages: ["train", "halve"],
    part: "rate-",
    parts: 5,
    hasTable: true
  },
  replicas: {
    words: [
      example("data-parallel/pipeline.ts"),
      ...["--param", "rounds=4", "--param", "localSteps=40", "--threads", "1"]
    ],
    stages: ["replica-start", "local-steps", "outer-step", "diloco"],
    part: "diloco-round-",
    parts: 8,
    hasTable: false
  }
}

export interface Options {
  readonly subject: Subject
  readonly folder: string
  readonly postgres: Postgres
  readonly lease: number
  readonly pick: (count: number) => number
  readonly onStart: (started: Started) => void
  readonly fail: (message: string) => never
  readonly count: number
}

const Manifest = Schema.fromJsonString(
  Schema.Struct({ node: Schema.String, kind: Schema.String, value: Schema.Unknown })
)
const Table = Schema.fromJsonString(
  Schema.Struct({ type: Schema.Literal("Comparison"), ...Comparison.fields })
)

/** What each part ended with: digests of weights, optimizer and curve, and in a round of halving who went on. */
const artifactsOf = (home: Home, { stages }: Subject): string => {
  const root = join(home.machine("run").directory, "store", "artifacts")
  return stages
    .flatMap((stage) => readdirSync(join(root, stage)).map((key) => join(root, stage, key)))
    .map((directory) => {
      const { kind, node, value } = Schema.decodeUnknownSync(Manifest)(
        readFileSync(join(directory, "manifest.json"), "utf8")
      )
      const hash = createHash("sha256")
      for (const file of readdirSync(directory, { recursive: true, encoding: "utf8" }).sort())
        if (/\.(safetensors|jsonl)$/.test(file)) hash.update(readFileSync(join(directory, file)))
      return `${node} ${hash.digest("hex")} ${kind === "halving" ? JSON.stringify(value) : ""}`
    })
    .sort()
    .join("\n")
}

/** The table at the end of a run, without what a clock says. */
const tableOf = (said: string): string =>
  said
    .split("\n")
    .filter((line) => line.startsWith("{") && line.includes('"type":"Comparison"'))
    .flatMap((line) => Schema.decodeUnknownSync(Table)(line).rows)
    .map(({ metrics, nodes, rank, settings }) => {
      const { "tokens/s": _, ...measured } = metrics
      return JSON.stringify([rank, nodes, settings, measured])
    })
    .join("\n")

/** Waits until a run has begun with so many parts of trainings, and a moment longer; gives false where it has ended before. */
const amidst = async (
  { child, said }: Started,
  part: string,
  parts: number,
  milliseconds: number
): Promise<boolean> => {
  const begun = () => said().split(`"type":"StageStarted","stage":"${part}`).length - 1
  while (begun() < parts) {
    if (child.exitCode !== null) return false
    await sleep(20)
  }
  await sleep(milliseconds)
  return child.exitCode === null
}

/** A run that is killed twice, by a way to start it. Gives what it printed at last, and what happened to it. */
const killed = async (
  begin: () => Started,
  also: () => string | undefined,
  { fail, pick, subject }: Options
) => {
  const told: Array<string> = []
  let run = begin()
  for (let kill = 0; kill < 2; kill++) {
    if (!(await amidst(run, subject.part, 1 + pick(subject.parts), pick(700)))) break
    const more = also()
    if (more !== undefined) told.push(more)
    run.child.kill("SIGKILL")
    await run.ended
    const last = run
      .said()
      .match(/"type":"StageStarted","stage":"[^"]+"/g)
      ?.at(-1)
      ?.split('"')[7]
    told.push(`run killed in ${last ?? "no stage"}`)
    run = begin()
  }
  const code = await run.ended
  if (code !== 0) fail(`A run ended with ${code} after ${told.join(", ")}:\n${run.said().slice(-6000)}`)
  return { said: run.said(), told: told.join(", ") || "no fault" }
}

/** So many runs, in turns in the run's own process and on workers. */
export const rounds = async (options: Options): Promise<void> => {
  const { count, fail, folder, lease, onStart, pick, postgres, subject } = options
  const homeOf = (name: string) => sharedFolder(folder, name)!
  const here = (home: Home) => () => {
    const { directory, env } = home.machine("run")
    const started = start("run", directory, env, ["run", ...subject.words, "--json"])
    onStart(started)
    return started
  }
  const plain = homeOf("plain")
  const undisturbed = here(plain)()
  if ((await undisturbed.ended) !== 0) fail(`The undisturbed run failed:\n${undisturbed.said()}`)
  const expected = { table: tableOf(undisturbed.said()), artifacts: artifactsOf(plain, subject) }
  if ((expected.table !== "") !== subject.hasTable)
    fail(`The undisturbed run has ${subject.hasTable ? "no" : "a"} table.`)
  process.stdout.write(`${subject.hasTable ? expected.table : expected.artifacts}\n`)
  for (let number = 1; number <= count; number++) {
    const from = performance.now()
    const onWorkers = number % 2 === 0
    const home = homeOf(`run-${number}`)
    const site = onWorkers
      ? await Sites.open(home, { postgres, lease, arguments: subject.words, onStart, number })
      : undefined
    const worker = () => {
      const drawn = site?.workers[pick(2)]
      if (drawn === undefined) return undefined
      site?.restart(drawn)
      return "worker killed"
    }
    const { said, told } = await killed(site?.run ?? here(home), worker, options)
    const kind = onWorkers ? "on workers" : "in the run's process"
    if (tableOf(said) !== expected.table)
      fail(`Run ${number} (${kind}) has another table after ${told}:\n${tableOf(said)}`)
    if (artifactsOf(home, subject) !== expected.artifacts)
      fail(
        `Run ${number} (${kind}) has other artifacts after ${told}:\n${artifactsOf(home, subject)}\nnot\n${expected.artifacts}`
      )
    const seconds = ((performance.now() - from) / 1000).toFixed(0)
    process.stdout.write(`Run ${number} (${kind}): the same table and bits after ${told} (${seconds} s)\n`)
    await site?.close()
    rmSync(home.machine("run").directory, { recursive: true, force: true })
  }
  process.stdout.write(`${count} runs: the same table and bits as an undisturbed one.\n`)
}
