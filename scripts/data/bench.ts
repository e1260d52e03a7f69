/**
 * Time and memory of the stages from `collect` to `buildDataset` on N GB of text, which are made for it and removed at the end. Linux alone: memory is the
 * resident memory of the run's processes together, looked at five times a second.
 *
 *     npm run bench:data -- 10
 *     npm run bench:data -- 0.3 --from ../some-c-project --in /var/tmp --parse
 *
 * --from    a folder of C files to make the text of, any number of times; without it, the text is made up
 * --in      where the text and the workspace lie, about 5 GB for each GB of text: the system's temporary folder
 * --parse   also parses the documents in `refine`
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { makeCorpus } from "./corpus.ts"
import { processorSeconds, residentBytes } from "./memory.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    from: { type: "string", multiple: true, default: [] },
    in: { type: "string", default: tmpdir() },
    parse: { type: "boolean", default: false }
  }
})
const gigabytes = Number(positionals[0] ?? "1")

const print = (text: string) => process.stdout.write(`${text}\n`)
const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`

interface Measured {
  seconds: number
  /** Of processor time. */
  processor: number
  most: number
}

/** Has glibc give memory back to the system when it is freed, instead of keeping it for each thread. */
const returning = { MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "131072" }

/** Runs the pipeline; gives the seconds and the largest memory of each stage. */
const measure = async (directory: string, corpus: string) => {
  const child = spawn(
    process.execPath,
    [
      "--conditions=trainyard-source",
      join(root, "packages/trainyard/src/main.ts"),
      ...["run", join(root, "scripts/data/pipeline.ts"), "--json"],
      ...["--workspace", join(directory, "workspace"), "--param", `corpus=${corpus}`],
      ...(values.parse ? ["--param", "parse=true"] : [])
    ],
    { stdio: ["ignore", "pipe", "inherit"], env: { ...returning, ...process.env } }
  )
  const stages = new Map<string, Measured>()
  const started = new Map<string, number>()
  const id = child.pid ?? 0
  const timer = setInterval(() => {
    const now = residentBytes(id)
    for (const name of started.keys()) {
      const stage = stages.get(name)
      if (stage !== undefined) stage.most = Math.max(stage.most, now)
    }
  }, 200)
  for await (const line of createInterface({ input: child.stdout })) {
    const event: { readonly type?: string; readonly stage?: string; readonly message?: string } =
      JSON.parse(line)
    const { stage } = event
    if (event.type === "StageStarted" && stage !== undefined) {
      started.set(stage, performance.now())
      stages.set(stage, { seconds: 0, processor: -processorSeconds(id), most: 0 })
      print(`${new Date().toISOString()} ${stage}`)
    }
    if (event.type === "StageFinished" && stage !== undefined) {
      const measured = stages.get(stage)
      if (measured !== undefined) {
        measured.seconds = (performance.now() - (started.get(stage) ?? 0)) / 1000
        measured.processor += processorSeconds(id)
      }
      started.delete(stage)
      print(
        `  ${measured?.seconds.toFixed(0)} s, ${measured?.processor.toFixed(0)} s of processor time, at most ${mebibytes(measured?.most ?? 0)}`
      )
    }
    if (event.type === "StageFailed") print(line)
  }
  clearInterval(timer)
  return stages
}

const directory = mkdtempSync(join(resolve(values.in), "trainyard-data-"))
process.on("SIGINT", () => {
  rmSync(directory, { recursive: true, force: true })
  process.exit(130)
})
try {
  const corpus = join(directory, "corpus.jsonl.zst")
  const made = await makeCorpus(
    corpus,
    gigabytes * 1e9,
    values.from.map((folder) => resolve(folder))
  )
  print(`${made.documents.toLocaleString("en")} documents, ${(made.bytes / 1e9).toFixed(2)} GB of text`)
  const stages = await measure(directory, corpus)
  print("| stage | seconds | of processor time | MB/s | largest memory |\n| --- | --- | --- | --- | --- |")
  for (const [name, { most, processor, seconds }] of stages)
    print(
      `| \`${name}\` | ${seconds.toFixed(0)} | ${processor.toFixed(0)} | ${(made.bytes / 1e6 / seconds).toFixed(1)} | ${mebibytes(most)} |`
    )
} finally {
  rmSync(directory, { recursive: true, force: true })
}
