/**
 * A pipeline's model beside nanoGPT's, trained in PyTorch on the same tokens for as many minutes as the pipeline trained: one table in bits
 * per byte of the test split.
 *
 *     npm run bench:learning -- pipelines/quickstart.ts [--backend native] [--threads 2] [--seed 1] [--workspace DIR]
 *
 * The pipeline is run first; its stages are reused where they are in the workspace. PyTorch is taken from `python3`, or from the Python that
 * PYTHON names; without it the table says so and has the other rows.
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Schema } from "effect"

const root = fileURLToPath(new URL("../..", import.meta.url))

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: "string", default: "auto" },
    threads: { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
    workspace: { type: "string" },
    nanogpt: { type: "string", multiple: true, default: [] }
  }
})
const [pipeline = "pipelines/quickstart.ts"] = positionals

const Finished = Schema.Struct({
  type: Schema.Literal("RunFinished"),
  status: Schema.String,
  artifacts: Schema.Record(Schema.String, Schema.String)
})
const decodeFinished = Schema.decodeUnknownSync(Schema.fromJsonString(Finished))

const Manifest = Schema.Struct({ kind: Schema.String, seconds: Schema.Finite })
const decodeManifest = Schema.decodeUnknownSync(Schema.fromJsonString(Manifest))

const Report = Schema.Struct({
  bitsPerByte: Schema.Finite,
  baselines: Schema.Array(Schema.Struct({ order: Schema.Int, bitsPerByte: Schema.Finite }))
})
const decodeReport = Schema.decodeUnknownSync(Schema.fromJsonString(Report))

const NanoGpt = Schema.Struct({
  torch: Schema.String,
  parameters: Schema.Int,
  steps: Schema.Int,
  seconds: Schema.Finite,
  bitsPerByte: Schema.Finite
})
const decodeNanoGpt = Schema.decodeUnknownSync(Schema.fromJsonString(NanoGpt))

const exit = (message: string): never => {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

/** Runs the pipeline and gives the folders of its artifacts by kind. */
const artifactsOf = (): ReadonlyMap<string, { readonly directory: string; readonly seconds: number }> => {
  const workspace = values.workspace === undefined ? [] : ["--workspace", values.workspace]
  const { status, stdout } = spawnSync(
    process.execPath,
    [
      join(root, "packages/trainyard/src/main.ts"),
      ...["run", pipeline, "--backend", values.backend, "--threads", values.threads, "--json", ...workspace]
    ],
    { encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "inherit"] }
  )
  // A gate that is not passed (3) leaves a model to compare all the same.
  if (status !== 0 && status !== 3) exit(`The pipeline ${pipeline} failed with exit code ${status}.`)
  const { artifacts } = decodeFinished(stdout.trimEnd().split("\n").at(-1) ?? "")
  return new Map(
    Object.values(artifacts).map((directory) => {
      const { kind, seconds } = decodeManifest(readFileSync(join(directory, "manifest.json"), "utf8"))
      return [kind, { directory, seconds }]
    })
  )
}

const python = (): string | undefined =>
  [process.env.PYTHON ?? "python3", "/usr/bin/python3"].find(
    (each) => spawnSync(each, ["-c", "import torch, numpy"], { stdio: "ignore" }).status === 0
  )

const nanoGpt = (dataset: string, seconds: number) => {
  const found = python()
  if (found === undefined) return "not measured: no Python with torch and numpy (name one with PYTHON)"
  const minutes = String(seconds / 60)
  process.stderr.write(`nanoGPT trains for ${(seconds / 60).toFixed(1)} minutes ...\n`)
  const { status, stdout } = spawnSync(
    found,
    [
      fileURLToPath(new URL("./nanogpt.py", import.meta.url)),
      ...[dataset, "--minutes", minutes, "--threads", values.threads, "--seed", values.seed],
      ...values.nanogpt.flatMap((option) => `--${option}`.split("=", 2))
    ],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }
  )
  return status === 0 ? decodeNanoGpt(stdout) : `not measured: nanogpt.py failed with exit code ${status}`
}

const artifacts = artifactsOf()
const [dataset, run, report] = ["dataset", "trained-run", "report"].map((kind) => artifacts.get(kind))
if (dataset === undefined || run === undefined || report === undefined)
  exit(
    `Pipeline ${pipeline} must make a dataset, a trained run and a report; it makes ${[...artifacts.keys()].join(", ")}.`
  )
else {
  const measured = decodeReport(readFileSync(join(report.directory, "report.json"), "utf8"))
  const rival = nanoGpt(dataset.directory, run.seconds)
  const rows: ReadonlyArray<readonly [string, string, string]> = [
    [pipeline, measured.bitsPerByte.toFixed(4), `${run.seconds.toFixed(0)} s`],
    ...measured.baselines.map(
      ({ bitsPerByte, order }) => [`Kneser-Ney ${order}-gram`, bitsPerByte.toFixed(4), ""] as const
    ),
    typeof rival === "string"
      ? ["nanoGPT in PyTorch", rival, ""]
      : [
          `nanoGPT in PyTorch ${rival.torch}, ${(rival.parameters / 1e6).toFixed(2)} M parameters`,
          rival.bitsPerByte.toFixed(4),
          `${rival.seconds.toFixed(0)} s, ${rival.steps} steps`
        ]
  ]
  process.stdout.write("| model | bits per byte, test | training |\n| --- | --- | --- |\n")
  for (const row of rows) process.stdout.write(`| ${row.join(" | ")} |\n`)
  if (typeof rival !== "string")
    process.stdout.write(`\nRatio to nanoGPT: ${(measured.bitsPerByte / rival.bitsPerByte).toFixed(3)}\n`)
}
