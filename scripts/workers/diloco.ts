/**
 * Data parallel training with seldom averages (`diloco`) against one worker, and what it sends:
 *
 *     npm run bench:diloco                                        4 replicas of 300 steps, averaged every 10 and 50
 *     npm run bench:diloco -- --param replicas=2 --param steps=100 --param localSteps=25
 *
 * All is trained on this machine, one after the other. Time is therefore not measured but derived: replicas that train side by side take as long
 * as one worker with as many steps. Bytes are those of the artifacts that a store would take in and give out in one round.
 */
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"
import { start } from "./processes.ts"

const pipeline = fileURLToPath(new URL("./replicas.ts", import.meta.url))
const workspace = join(tmpdir(), "trainyard-diloco")

const Run = Schema.Struct({
  steps: Schema.Int,
  parameters: Schema.Int,
  engine: Schema.String,
  precision: Schema.String,
  tokensSeen: Schema.Int,
  bestStep: Schema.Int,
  bestValidationLoss: Schema.Finite,
  lastValidationLoss: Schema.Finite,
  seconds: Schema.Finite,
  learning: Schema.Struct({
    replicas: Schema.optionalKey(Schema.Struct({ count: Schema.Int, localSteps: Schema.Int }))
  })
})
const Manifest = Schema.fromJsonString(Schema.Struct({ node: Schema.String, value: Run }))
const Finished = Schema.fromJsonString(
  Schema.Struct({
    type: Schema.Literal("RunFinished"),
    artifacts: Schema.Record(Schema.String, Schema.String)
  })
)

const bytesIn = (directory: string): number =>
  readdirSync(directory).reduce((sum, file) => sum + statSync(join(directory, file)).size, 0)

const kilobytes = (bytes: number): string => Math.round(bytes / 1000).toLocaleString("en-US")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

mkdirSync(workspace, { recursive: true })
const words = ["run", pipeline, "--json", ...process.argv.slice(2)]
const run = start("run", workspace, { TRAINYARD_WORKSPACE: "store" }, words)
const code = await run.ended
if (code !== 0) throw new Error(`The run ended with ${code}:\n${run.said().slice(-4000)}`)
const last = run
  .said()
  .split("\n")
  .findLast((line) => line.includes('"type":"RunFinished"'))
const { artifacts } = Schema.decodeUnknownSync(Finished)(last)
const runs = Object.entries(artifacts).flatMap(([node, directory]) => {
  const text = readFileSync(join(directory, "manifest.json"), "utf8")
  const manifest = Schema.decodeUnknownResult(Manifest)(text)
  return manifest._tag === "Success" ? [{ node, ...manifest.success.value }] : []
})
const { engine, parameters, precision } = runs[0]!
process.stdout.write(`${parameters.toLocaleString("en-US")} parameters, on ${engine} (${precision})\n\n`)
process.stdout.write(
  `${table(
    ["", "steps of each worker", "tokens", "best validation loss", "at step", "at the end"],
    runs.map(({ bestStep, bestValidationLoss, lastValidationLoss, node, steps, tokensSeen }) => [
      node,
      String(steps),
      tokensSeen.toLocaleString("en-US"),
      bestValidationLoss.toFixed(4),
      String(bestStep),
      lastValidationLoss.toFixed(4)
    ])
  )}\n\n`
)
const replicated = runs.filter(({ learning }) => learning.replicas !== undefined)
process.stdout.write(
  `${table(
    ["", "a replica's round", "of it the difference", "an average"],
    replicated.map(({ node }) => {
      // Names of nodes are those of the pipeline: see diloco.
      const round = artifacts[`${node}-round-2-replica-1`] ?? artifacts[`${node}-round-1-replica-1`]!
      const average = artifacts[`${node}-round-2`] ?? artifacts[`${node}-round-1`]!
      return [
        node,
        `${kilobytes(bytesIn(round))} kB`,
        `${kilobytes(statSync(join(round, "difference.safetensors")).size)} kB`,
        `${kilobytes(bytesIn(average))} kB`
      ]
    })
  )}\n`
)
