/**
 * What a user of the npm packages gets: every package is packed, installed into an empty project outside the repository with an empty
 * home folder, and used there. Nothing of the repository's own node_modules or sources is in reach.
 */
import { spawnSync } from "node:child_process"
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const place = mkdtempSync(join(tmpdir(), "trainyard-consumer-"))
const project = join(place, "project")
afterAll(() => rmSync(place, { recursive: true, force: true }))

/** Megabytes that the packages and all that they need may take on the disk. */
const mostMegabytes = { all: 260, withoutOptional: 170 }

/** The environment of a new user: no setting of the tester's, and no compiler on the path unless asked for. */
const environment = (compilers: boolean) => ({
  HOME: join(place, "home"),
  PATH: [
    dirname(process.execPath),
    ...(compilers ? (process.env.PATH ?? "").split(delimiter) : [join(place, "bin")])
  ].join(delimiter),
  LANG: "C.UTF-8",
  // Downloads are kept between test runs; the project itself is new each time.
  npm_config_cache: join(root, "node_modules", ".cache", "consumer-npm"),
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      /^(npm_config_registry|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS)$/i.test(name)
    )
  )
})

const run = (command: string, args: ReadonlyArray<string>, { compilers = false, cwd = project } = {}) => {
  const { error, status, stderr, stdout } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: environment(compilers)
  })
  return { code: status, output: `${stdout ?? ""}${stderr ?? ""}${error ?? ""}`, stdout, stderr }
}

const trainyard = (...args: ReadonlyArray<string>) =>
  run(process.execPath, [join(project, "node_modules", ".bin", "trainyard"), ...args])

const megabytes = (): number => {
  const { stdout } = run("du", ["-sm", join(project, "node_modules")], { compilers: true })
  return Number.parseInt(stdout, 10)
}

const pipeline = `import { buildDataset, checkpoint, collect, Gpt, Pipeline, Source, tokenize, train, validate } from "trainyard"

export default Pipeline.make("mine", () => {
  const corpus = collect({ sources: [Source.folder("code", { include: ["**/*.{c,h}"] })] })
  const tokenizer = tokenize({ corpus, vocabularySize: 300 })
  const dataset = buildDataset({ corpus, tokenizer, sequenceLength: 32 })
  const run = train({ dataset, model: Gpt.tiny, steps: 4, batchSize: 2 })
  const model = checkpoint({ run })
  return validate({ model, dataset, beats: [], maxTokens: 8, baselines: [2] })
})
`

const compilerOptions = {
  target: "ES2024",
  lib: ["ES2024"],
  types: ["node"],
  module: "NodeNext",
  strict: true,
  exactOptionalPropertyTypes: true,
  erasableSyntaxOnly: true,
  allowImportingTsExtensions: true,
  noEmit: true,
  skipLibCheck: true
}

beforeAll(() => {
  const built = spawnSync(process.execPath, [join(root, "scripts", "build.mjs"), "--pack"], {
    encoding: "utf8"
  })
  expect(built.stderr).toBe("")
  mkdirSync(join(place, "home"))
  mkdirSync(join(project, "code"), { recursive: true })
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }))
  writeFileSync(join(project, "pipeline.ts"), pipeline)
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({ compilerOptions, include: ["*.ts", "examples"] })
  )
  cpSync(join(root, "node_modules", "node-api-headers", "include"), join(project, "code"), {
    recursive: true
  })
  // Of the platform packages, npm takes only the one for this machine; named directly, another one would be an error.
  const tarballs = readdirSync(join(root, "build", "tarballs"))
    .filter(
      (name) => !name.includes("-native-") || name.includes(`-native-${process.platform}-${process.arch}-`)
    )
    .map((name) => join(root, "build", "tarballs", name))
  const install = (...args: ReadonlyArray<string>) => {
    const { code, output } = run("npm", ["install", "--no-audit", "--no-fund", ...args, ...tarballs], {
      compilers: true
    })
    expect(output).not.toMatch(/npm error/)
    expect(code).toBe(0)
    return megabytes()
  }
  const withoutOptional = install("--omit=optional")
  const all = install()
  console.log(`Installed: ${all} MB, ${withoutOptional} MB without optional dependencies.`)
  expect(all).toBeLessThan(mostMegabytes.all)
  expect(withoutOptional).toBeLessThan(mostMegabytes.withoutOptional)
}, 300_000)

describe("the installed packages", () => {
  test("no dependency runs a script when it is installed", () => {
    const { stdout } = run("npm", ["query", ":attr(scripts, [install]), :attr(scripts, [postinstall])"], {
      compilers: true
    })
    expect(JSON.parse(stdout).map(({ name }: { readonly name: string }) => name)).toEqual([])
  })

  test("a pipeline and the examples are typed", { timeout: 120_000 }, () => {
    cpSync(join(root, "examples"), join(project, "examples"), { recursive: true })
    cpSync(join(root, "node_modules", "@types", "node"), join(project, "node_modules", "@types", "node"), {
      recursive: true
    })
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
    expect(run(process.execPath, [tsc, "-p", "."]).output).toBe("")
    writeFileSync(
      join(project, "wrong.ts"),
      pipeline.replace("dataset, model: Gpt", "dataset: corpus, model: Gpt")
    )
    expect(run(process.execPath, [tsc, "-p", "."]).output).toMatch(/wrong\.ts.*corpus/s)
    rmSync(join(project, "wrong.ts"))
  })

  test("a pipeline runs whole on cpu, without a compiler; validation alone reuses it", {
    timeout: 240_000
  }, () => {
    const first = trainyard("run", "pipeline.ts", "--backend", "cpu", "--json")
    expect(first.stderr).toBe("")
    const finished = JSON.parse(first.stdout.trimEnd().split("\n").at(-1)!)
    expect(finished).toMatchObject({ type: "RunFinished", status: "succeeded" })
    expect(readFileSync(join(finished.artifacts.validate, "report.md"), "utf8")).toMatch(/bits per byte/i)
    const judged = trainyard("validate", "pipeline.ts", "--backend", "cpu")
    expect(judged.output).not.toMatch(/^\s+at /m)
    expect(judged.code).toBe(0)
    const plan = trainyard("plan", "pipeline.ts", "--backend", "cpu", "--json")
    expect(plan.code).toBe(0)
  })

  test("doctor, verify and help answer", { timeout: 240_000 }, () => {
    expect(trainyard("--help").output).toMatch(/trainyard <subcommand>/)
    const doctor = trainyard("doctor")
    expect(doctor.output).toMatch(/cpu/)
    // Prebuilt where npm run build:native has made it; elsewhere the hint is one that an installed package can follow.
    const isPrebuilt = existsSync(
      join(project, "node_modules/@trainyard", `native-${process.platform}-${process.arch}`)
    )
    expect(doctor.output).toMatch(
      isPrebuilt ? /from @trainyard\/native-/ : /npx trainyard doctor --build-native/
    )
    expect(doctor.output).not.toMatch(/^\s+at /m)
    for (const engine of ["cpu", "gpujs", ...(isPrebuilt ? ["native"] : [])]) {
      const verified = trainyard("verify", "pipeline.ts", "--backend", engine, "--set", "train.steps=2")
      expect(verified.output).not.toMatch(/^\s+at /m)
      expect(verified.code, verified.output).toBe(0)
    }
  })
})
