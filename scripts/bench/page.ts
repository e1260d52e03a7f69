/**
 * Measures, and writes the tables into the pages of docs, each between the two comments that name its benchmark:
 *
 *     npm run bench:page -- [--model DIR] [--threads 2] [--seconds 4] [training 110m paths generation serve guided]
 *
 * All of them unless some are named. PYTHON names a Python that has torch, and TRAINYARD_TEST_READERS a folder for llama.cpp; without them the
 * tables leave them out and say so. generation, serve and guided need the folder of a published model. Nothing else should be at work.
 */
import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { type Benchmark, pages, replaced } from "./blocks.ts"
import * as tables from "./tables.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string" },
    threads: { type: "string", default: String(availableParallelism()) },
    seconds: { type: "string", default: "4" }
  }
})

/** The command's standard output, line by line. Ends this process where it fails; `bench` says with 2 that an engine is not here. */
const output = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): ReadonlyArray<string> => {
  process.stderr.write(`npm run ${args.join(" ")}\n`)
  const { status, stdout } = spawnSync("npm", ["run", "--silent", ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status === 0 || (status === 2 && stdout !== "")) return stdout.split("\n").filter((line) => line !== "")
  process.stderr.write(`npm run ${args.join(" ")} failed.\n`)
  process.exit(1)
}

/** The command that measures again, the machine, and what was measured. */
const block = (args: ReadonlyArray<string>, ...parts: ReadonlyArray<string>): string => {
  const machine = `${availableParallelism()} processors (${cpus()[0]?.model.trim() ?? process.arch}), Node ${process.version}`
  const command = ["npm run", ...args].join(" ").replace(/--model \S+/, "--model DIR")
  return [`\`${command}\`, on ${machine}:`, ...parts].filter((part) => part !== "").join("\n\n")
}

const bench = (...flags: ReadonlyArray<string>) => [
  "bench",
  "--",
  ...flags,
  "--threads",
  values.threads,
  "--seconds",
  values.seconds
]

const training = (...flags: ReadonlyArray<string>): string => {
  const args = bench(...flags, "--against", "pytorch")
  const { absent, measured } = tables.read(output([...args, "--json"]))
  return block(
    args,
    tables.circumstances(measured),
    tables.measurements(measured, "train-step"),
    "A generated token, one text at a time:",
    tables.measurements(measured, "generate"),
    ...absent.map(({ engine, unavailable }) => `Not measured, ${engine}: ${unavailable}`)
  )
}

const kernelPaths = ["amx", "avx512-bf16", "avx512", "avx2", "portable"]

const paths = (): string => {
  const args = bench("--backend", "native")
  const runs = kernelPaths.map((path) => ({
    path,
    ...tables.read(output([...args, "--json"], { TRAINYARD_NATIVE_KERNELS: path }))
  }))
  return block(
    [`${args.join(" ")}`],
    "With `TRAINYARD_NATIVE_KERNELS` set to each path that the processor has:",
    tables.paths(runs)
  )
}

/** The table that a script prints. */
const printed = (script: string, ...flags: ReadonlyArray<string>): string => {
  const args = [script, "--", "--model", values.model ?? "", ...flags]
  return block(
    args,
    output(args)
      .filter((line) => line.startsWith("|"))
      .join("\n")
  )
}

const readers = process.env.TRAINYARD_TEST_READERS === undefined ? [] : ["--against", "llama.cpp"]

/** What a benchmark measures; those that read a published model are left out without one. */
const benchmarks: Readonly<
  Record<Benchmark, { readonly readsModel: boolean; readonly measure: () => string }>
> = {
  training: { readsModel: false, measure: () => training() },
  "110m": { readsModel: false, measure: () => training("--size", "110m", "--backend", "native") },
  paths: { readsModel: false, measure: paths },
  generation: {
    readsModel: true,
    measure: () => printed("bench:generate", "--streams", "1,8,16", "--threads", "1", ...readers)
  },
  serve: { readsModel: true, measure: () => printed("bench:serve") },
  guided: { readsModel: true, measure: () => printed("bench:guided", "--rows", "8") }
}

const isBenchmark = (id: string): id is Benchmark => Object.hasOwn(benchmarks, id)

for (const id of positionals.length === 0 ? Object.keys(benchmarks) : positionals) {
  if (!isBenchmark(id)) {
    process.stderr.write(`There is no benchmark "${id}". There are ${Object.keys(benchmarks).join(", ")}.\n`)
    process.exit(2)
  }
  const { measure, readsModel } = benchmarks[id]
  if (readsModel && values.model === undefined) {
    process.stderr.write(`${id} is left out: it needs a model folder, --model DIR.\n`)
    continue
  }
  const file = fileURLToPath(new URL(`../../docs/${pages[id]}.md`, import.meta.url))
  const measured = measure()
  // Read after measuring, which takes minutes in which the page may have been edited.
  const text = replaced(readFileSync(file, "utf8"), id, measured)
  if (text === undefined) {
    process.stderr.write(`docs/${pages[id]}.md has no place for ${id}: restore its two comments.\n`)
    process.exit(1)
  }
  writeFileSync(file, text)
  process.stderr.write(`${id}: docs/${pages[id]}.md\n`)
}
