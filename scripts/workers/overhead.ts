/**
 * What a stage costs that a worker makes, beside the same stage in the run's own process: a chain of stages that do nothing.
 *
 *     npm run bench:workers -- overhead            40 stages
 *     npm run bench:workers -- overhead 200
 *
 * Prints the median time from the end of one stage to the end of the next, of both, with the load of the machine.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import * as Postgres from "../../packages/workers/test/postgres.ts"
import { type Started, start } from "./processes.ts"

const pipeline = (stages: number) => `
import { Effect, Schema } from "effect"
import { Artifact, Pipeline, Stage } from "trainyard"
const Link = Artifact.kind({ name: "link", version: 1, value: Schema.Struct({ number: Schema.Int }) })
const link = Stage.make({
  name: "link", version: 1, source: import.meta.url, inputs: { before: Stage.optional(Link) }, config: {}, output: Link,
  run: ({ inputs }) => Effect.succeed({ number: 1 + (inputs.before?.value.number ?? 0) })
})
export default Pipeline.make("chain", () => {
  let last = link({ name: "link-0" })
  for (let number = 1; number < ${stages}; number++) last = link({ name: "link-" + number, before: last })
  return last
})
`

/** Milliseconds from the end of each stage to that of the next, the median and the 90th percentile. */
const gapsOf = (output: string): { readonly median: number; readonly ninetieth: number } => {
  const ends = output
    .trimEnd()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))
    .filter(({ status, type }) => type === "StageFinished" && status === "ran")
    .map(({ at }) => Date.parse(at))
  const gaps = ends
    .slice(1)
    .map((end, index) => end - ends[index]!)
    .sort((a, b) => a - b)
  const at = (share: number) => gaps[Math.floor(share * gaps.length)] ?? Number.NaN
  return { median: at(0.5), ninetieth: at(0.9) }
}

/** Measures a chain of so many stages, and prints what it found. */
export const measure = async (bin: string, stages: number): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), "trainyard-overhead-"))
  writeFileSync(join(directory, "chain.ts"), pipeline(stages))
  const postgres = await Postgres.start(bin)
  const started: Array<Started> = []
  const run = async (workspace: string, ...args: ReadonlyArray<string>) => {
    const env = { TRAINYARD_QUEUE: postgres.url, TRAINYARD_WORKSPACE: workspace }
    const its = start("run", directory, env, ["run", "chain.ts", "--json", ...args])
    started.push(its)
    const code = await its.ended
    if (code !== 0) throw new Error(`The run ended with ${code}:\n${its.said()}`)
    return gapsOf(its.said())
  }
  try {
    const here = await run("here")
    const env = { TRAINYARD_QUEUE: postgres.url, TRAINYARD_WORKSPACE: "there" }
    started.push(start("worker", directory, env, ["worker", "--name", "one"]))
    const there = await run("there", "--on", "queue")
    const words = ({ median, ninetieth }: typeof here) =>
      `median ${median.toFixed(0)} ms, 90th percentile ${ninetieth.toFixed(0)} ms`
    process.stdout.write(
      [
        `${stages} stages in a chain, load average ${loadavg()[0]!.toFixed(1)}:`,
        `  in the run's process: ${words(here)}`,
        `  on a worker:          ${words(there)}`,
        `  a stage through the queue costs ${(there.median - here.median).toFixed(0)} ms more`,
        ""
      ].join("\n")
    )
  } finally {
    for (const { child } of started) child.kill("SIGKILL")
    postgres.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}
