/** An engine that somebody else publishes: packed, installed in a project, judged by the contract suite, and named by `--backend`. */
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { transform } from "esbuild"
import { beforeAll, describe, expect, test } from "vitest"
import { emptyFolder, refusals, trainyard, write } from "./spawn.ts"

const clone = fileURLToPath(new URL("../../..", import.meta.url))
const example = join(clone, "examples", "packages", "engine")
const name = "trainyard-engine-example"
const directory = emptyFolder()
const place = { directory }

const node = (...args: ReadonlyArray<string>) =>
  spawnSync(process.execPath, ["--conditions=trainyard-source", ...args], {
    cwd: directory,
    encoding: "utf8",
    env: { PATH: dirname(process.execPath) }
  })

const pipeline = (backend: string) => `
import { buildDataset, collect, Pipeline, Source, splitCorpus, tokenize, train } from "trainyard"

export default Pipeline.make("mine", { ${backend} }, () => {
  const corpus = collect({ sources: [Source.folder("code", { include: ["**/*.h"] })] })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 270 })
  const dataset = buildDataset({ split, tokenizer })
  return train({ dataset, model: { embedding: 8, layers: 1, heads: 1 }, sequenceLength: 8, steps: 2, batchSize: 1 })
})
`

beforeAll(async () => {
  // As its `npm run build` and `npm pack` do: what package.json lists in "files", with its types taken out.
  const built = emptyFolder()
  mkdirSync(join(built, "dist"))
  cpSync(join(example, "package.json"), join(built, "package.json"))
  for (const file of readdirSync(join(example, "src"))) {
    const { code } = await transform(readFileSync(join(example, "src", file), "utf8"), { loader: "ts" })
    writeFileSync(join(built, "dist", file.replace(".ts", ".js")), code.replaceAll('.ts"', '.js"'))
  }
  const npm = spawnSync("npm", ["pack", "--silent", "--pack-destination", built], {
    cwd: built,
    encoding: "utf8"
  })
  expect(npm.status, npm.stderr).toBe(0)
  const installed = join(directory, "node_modules", name)
  mkdirSync(installed, { recursive: true })
  const tar = spawnSync("tar", [
    "-xzf",
    join(built, npm.stdout.trim()),
    "-C",
    installed,
    "--strip-components=1"
  ])
  expect(tar.status).toBe(0)
  for (const peer of ["@trainyard", "effect"])
    symlinkSync(join(clone, "node_modules", peer), join(directory, "node_modules", peer), "junction")
  cpSync(join(clone, "node_modules", "node-api-headers", "include"), join(directory, "code"), {
    recursive: true
  })
  write(directory, {
    "package.json": JSON.stringify({ type: "module" }),
    "pipeline.ts": pipeline(""),
    "named.ts": pipeline(`backend: "${name}"`)
  })
})

/** Files, what they hold, and what is said of them. */
const noEngines: ReadonlyArray<readonly [file: string, text: string | undefined, says: RegExp]> = [
  [
    "nothing.mjs",
    "export const engine = 1",
    /nothing\.mjs is not an engine \(.*\)\. It must end with: export default Engine\.make/
  ],
  ["number.mjs", "export default 7", /number\.mjs is not an engine/],
  [
    "closed.mjs",
    `import { Effect } from "effect"
export default { name: "closed", availability: Effect.succeed({}), build: Effect.succeed({ sources: [], kernels: "" }) }`,
    /closed\.mjs is not an engine \(open: /
  ],
  [
    "named.mjs",
    `import { Effect } from "effect"
export default { name: "cpu", availability: Effect.succeed({}), build: Effect.succeed({}), open: () => Effect.never }`,
    /calls its engine cpu, the name of one of Trainyard's own/
  ],
  [
    "answers.mjs",
    `import { Effect } from "effect"
export default { name: "answers", availability: Effect.succeed({ available: true }), build: Effect.succeed({}), open: () => Effect.never }`,
    /its availability does not keep the contract \(detail: /
  ],
  ["throws.mjs", "throw new Error('no GPU driver')", /throws\.mjs cannot be loaded: no GPU driver/],
  ["absent.mjs", undefined, /absent\.mjs cannot be loaded: Cannot find module/]
]

describe("the example engine, installed", () => {
  test("keeps the contract, by Node's own test runner", () => {
    write(directory, {
      "contract.test.js": `import { describe, test } from "node:test"
import { contractSuite } from "@trainyard/backends/contract"
import engine from "${name}"
await contractSuite(engine, { describe, test }, { threads: [1], cases: 1 })`
    })
    const { status, stdout } = node("--test", "--test-reporter=tap", "contract.test.js")
    expect(stdout).toMatch(/^# fail 0$/m)
    expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(50)
    expect(status).toBe(0)
  })

  test("the suite finds a wrong kernel, by name and without a test library", () => {
    write(directory, {
      "wrong.js": `import { runContract } from "@trainyard/backends/contract"
import { fromKernels } from "@trainyard/backends/fromKernels"
import { Effect } from "effect"
const gelu = function* (call) { call.floats(0).forEach((value, at) => call.put(0, at, value)) }
const engine = fromKernels({ name: "wrong", detail: "", kernels: { gelu }, sources: [] })
const outcomes = await Effect.runPromise(runContract(engine, { cases: 1, threads: [1] }))
console.log(JSON.stringify(outcomes.filter(({ status }) => status === "failed").map(({ name, why }) => name + ": " + why)))`
    })
    const failed: ReadonlyArray<string> = JSON.parse(node("wrong.js").stdout)
    expect(failed[0]).toMatch(
      /^wrong f32 > operations > gelu agrees with reference: gelu\.y\[\d+\] is .* instead of /
    )
    expect(failed.every((line) => /gelu|training|sessions/.test(line))).toBe(true)
  })

  test("doctor lists it, and a run computes with it, named by flag or by file", async () => {
    const doctor = await trainyard(place, "doctor", "--json", "--backend", name)
    const { engines } = JSON.parse(doctor.stdout)
    expect(engines.at(-1)).toMatchObject({ engine: "example", available: true })
    const first = await trainyard(place, "run", "pipeline.ts", "--json", "--backend", name)
    expect(first.stderr).toBe("")
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/example, f32/)
    const second = await trainyard(place, "plan", "named.ts", "--json")
    expect(second.code).toBe(0)
    const lines = second.stdout.trimEnd().split("\n")
    expect(lines.map((line) => JSON.parse(line).action)).toEqual(Array.from({ length: 5 }, () => "reuse"))
    // A path to the same build means the same artifacts; another engine does not.
    const path = `./node_modules/${name}/dist/engine.js`
    const third = await trainyard(place, "plan", "pipeline.ts", "--json", "--backend", path)
    expect(third.stdout).toBe(second.stdout)
    const other = await trainyard(place, "plan", "pipeline.ts", "--json", "--backend", "reference")
    expect(JSON.parse(other.stdout.trimEnd().split("\n").at(-1)!).action).not.toBe("reuse")
  })

  test("what is no engine is refused with one sentence and exit code 2", async () => {
    for (const [file, text] of noEngines) if (text !== undefined) write(directory, { [file]: text })
    const outcomes = await refusals(
      noEngines.map(([file]) => ({ directory, words: ["plan", "pipeline.ts", "--backend", `./${file}`] }))
    )
    for (const [index, [file, , says]] of noEngines.entries()) {
      const { code, stderr } = outcomes[index] ?? {}
      expect(stderr, file).toMatch(says)
      expect(stderr, file).not.toMatch(/^\s+at /m)
      expect(code, file).toBe(2)
    }
  })
})
