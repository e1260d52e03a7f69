/**
 * What a user of the npm packages gets: every package is packed, a project is created by `create-trainyard` outside the repository with
 * an empty home folder, the packages are installed into it and used there. Nothing of the repository's own node_modules or sources is
 * in reach.
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
  symlinkSync,
  writeFileSync
} from "node:fs"

import { tmpdir } from "node:os"
import { basename, delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const place = mkdtempSync(join(tmpdir(), "trainyard-consumer-"))
const project = join(place, "my-model")
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
  npm_config_update_notifier: "false",
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

/** npm itself is a script with `/usr/bin/env`, so it gets the tester's path. */
const npm = (args: ReadonlyArray<string>, cwd = project) => {
  const made = run("npm", args, { compilers: true, cwd })
  expect(made.output).not.toMatch(/npm error/)
  expect(made.code, made.output).toBe(0)
  return made.stdout
}

const trainyard = (...args: ReadonlyArray<string>) =>
  run(process.execPath, [join(project, "node_modules", ".bin", "trainyard"), ...args])

/** A project adds this one where it wants several machines. */
const isOptional = (name: string): boolean => name.startsWith("trainyard-workers-")

/** Of the platform packages, npm takes only the one for this machine; named directly, another one would be an error. */
const tarballs = () =>
  readdirSync(join(root, "build", "tarballs"))
    .filter(
      (name) => !name.includes("-native-") || name.includes(`-native-${process.platform}-${process.arch}-`)
    )
    .map((name) => join(root, "build", "tarballs", name))

const finished = (stdout: string) => JSON.parse(stdout.trimEnd().split("\n").at(-1)!)

const jsonPipeline = `import { buildDataset, checkpoint, collect, Gpt, Pipeline, Source, splitCorpus, tokenize, train, validate } from "trainyard"
import { json } from "trainyard-language-json"

export default Pipeline.make("json", () => {
  const corpus = collect({ sources: [Source.folder("data")] })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 300 })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({ dataset, model: Gpt.tiny, sequenceLength: 32, steps: 4, batchSize: 2 })
  const model = checkpoint({ run })
  return validate({ model, dataset, baselinesToBeat: [], maxTokens: 96, language: json, baselines: [2] })
})
`

const small = ["--set", "train.steps=4", "--set", "validate.maxTokens=8", "--set", "validate.baselines=[2]"]

let installed = { all: 0, withoutOptional: 0 }

beforeAll(() => {
  const built = spawnSync(process.execPath, [join(root, "scripts", "build.mjs"), "--pack"], {
    encoding: "utf8"
  })
  expect(built.stderr).toBe("")
  mkdirSync(join(place, "home"))
  const creator = tarballs().find((file) => basename(file).startsWith("create-trainyard-"))!
  npm(["exec", "--yes", `--package=${creator}`, "--", "create-trainyard", "my-model"], place)
  cpSync(join(root, "node_modules", "node-api-headers", "include"), join(project, "code"), {
    recursive: true
  })
  // What the project's `npm install` takes from the registry once the packages are there.
  const install = (...args: ReadonlyArray<string>) => {
    const options = ["--omit=dev", "--prefer-offline", "--no-audit", "--no-fund"]
    npm(["install", ...options, ...args, ...tarballs().filter((file) => !isOptional(basename(file)))])
    const { stdout } = run("du", ["-sm", join(project, "node_modules")], { compilers: true })
    return Number.parseInt(stdout, 10)
  }
  const withoutOptional = install("--omit=optional")
  // Without its optional packages Trainyard works too: all that they bring is speed.
  const plan = trainyard("plan", "pipeline.ts", "--backend", "cpu")
  expect(plan.output).toMatch(/7 of 7 stages would run/)
  installed = { all: install(), withoutOptional }
  console.log(`Installed: ${installed.all} MB, ${withoutOptional} MB without optional dependencies.`)
}, 300_000)

describe("the packages", () => {
  const names = () => readdirSync(join(root, "build", "packages"))

  test("are what publint asks of packages", async () => {
    for (const name of names()) {
      const { messages, pkg } = await publint({ pkgDir: join(root, "build", "packages", name), strict: true })
      expect(
        messages.map((message) => formatMessage(message, pkg, { color: false })),
        name
      ).toEqual([])
    }
  })

  test("have types that every way of resolving modules in Node and bundlers finds", async () => {
    for (const file of tarballs()) {
      const checked = await checkPackage(createPackageFromTarballData(readFileSync(file)))
      if (!checked.types) {
        expect(basename(file)).toMatch(/^(create-trainyard|trainyard-native)-/)
        continue
      }
      // node10 knows no `exports`, and CommonJS loads these modules by require(esm), which Node 22.12 and newer have.
      const problems = checked.problems.filter(
        (problem) =>
          !("resolutionKind" in problem && problem.resolutionKind === "node10") &&
          problem.kind !== "CJSResolvesToESM"
      )
      expect(problems, basename(file)).toEqual([])
    }
  })

  test("have a licence, a description, and nothing but what is built", () => {
    for (const name of names()) {
      const folder = join(root, "build", "packages", name)
      const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
      expect(existsSync(join(folder, "LICENSE")), name).toBe(true)
      expect(existsSync(join(folder, "README.md")), name).toBe(true)
      expect(manifest.keywords, name).toContain("trainyard")
      expect(JSON.stringify(manifest), name).not.toMatch(/trainyard-source|devDependencies|scripts/)
      expect(readdirSync(folder), name).not.toContain("src")
    }
  })
})

describe("the installed packages", () => {
  test("take no more of the disk than they may", () => {
    expect(installed.all).toBeLessThan(mostMegabytes.all)
    expect(installed.withoutOptional).toBeLessThan(mostMegabytes.withoutOptional)
  })

  test("no dependency runs a script when it is installed", () => {
    const scripts = ["preinstall", "install", "postinstall"].map((name) => `:attr(scripts, [${name}])`)
    const found: ReadonlyArray<{ readonly name: string }> = JSON.parse(npm(["query", scripts.join(", ")]))
    expect(found.map(({ name }) => name)).toEqual([])
  })

  test("a pipeline and the examples are typed", { timeout: 120_000 }, () => {
    cpSync(join(root, "examples"), join(project, "examples"), { recursive: true })
    for (const name of ["@types/node", "undici-types"]) {
      cpSync(join(root, "node_modules", name), join(project, "node_modules", name), { recursive: true })
    }
    writeFileSync(
      join(project, "tsconfig.all.json"),
      JSON.stringify({ extends: "./tsconfig.json", include: ["*.ts", "examples"] })
    )
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
    expect(run(process.execPath, [tsc, "--singleThreaded", "-p", "tsconfig.all.json"]).output).toBe("")
    const text = readFileSync(join(project, "pipeline.ts"), "utf8")
    const wrong = text.replace("    dataset,\n", "    dataset: corpus,\n")
    expect(wrong).not.toBe(text)
    writeFileSync(join(project, "wrong.ts"), wrong)
    expect(run(process.execPath, [tsc, "--singleThreaded", "-p", "."]).output).toMatch(/wrong\.ts.*corpus/s)
    rmSync(join(project, "wrong.ts"))
  })

  test("a pipeline runs whole on cpu, without a compiler; validation alone reuses it", {
    timeout: 240_000
  }, () => {
    const first = trainyard("run", "pipeline.ts", "--backend", "cpu", "--json", ...small)
    expect(first.stderr).toBe("")
    const result = finished(first.stdout)
    expect(result).toMatchObject({ type: "RunFinished", status: "succeeded" })
    expect(readFileSync(join(result.artifacts.validate, "report.md"), "utf8")).toMatch(/bits per byte/i)
    const exported = trainyard("ui", "--export", "site")
    expect(exported.code, exported.output).toBe(0)
    expect(readdirSync(join(project, "site"))).toEqual(
      expect.arrayContaining(["app.js", "app.css", "index.html"])
    )
    const validated = trainyard(
      "validate",
      "pipeline.ts",
      "--backend",
      "cpu",
      "--model",
      result.artifacts.checkpoint,
      "--dataset",
      result.artifacts.dataset,
      "--set",
      "validate.maxTokens=4"
    )
    expect(validated.output).not.toMatch(/^\s+at /m)
    expect(validated.code, validated.output).toBe(0)
  })

  test("a pipeline runs whole on native, where its kernels are installed or can be compiled", {
    timeout: 240_000
  }, (context) => {
    const doctor = JSON.parse(trainyard("doctor", "--json").stdout)
    const native = doctor.engines.find(({ engine }: { readonly engine: string }) => engine === "native")
    if (native?.available !== true) return context.skip(`native: ${native?.why}`)
    const { stdout } = trainyard("run", "pipeline.ts", "--backend", "native", "--json", ...small)
    expect(finished(stdout)).toMatchObject({ type: "RunFinished", status: "succeeded" })
  })

  test.each(["custom-stage", "own-corpus"])("the example %s runs", { timeout: 240_000 }, (name) => {
    const { stderr, stdout } = trainyard(
      "run",
      `examples/${name}/pipeline.ts`,
      "--backend",
      "cpu",
      "--json",
      ...(name === "own-corpus" ? small : [])
    )
    expect(stderr).toBe("")
    expect(finished(stdout)).toMatchObject({ status: "succeeded" })
  })

  test("the model of validate-in-ci passes its gates", { timeout: 240_000 }, () => {
    const fixtures = "examples/validate-in-ci/fixtures"
    const { code, output } = trainyard(
      "validate",
      "examples/validate-in-ci/pipeline.ts",
      "--backend",
      "cpu",
      "--model",
      `${fixtures}/model`,
      "--dataset",
      `${fixtures}/dataset`,
      ...["--set", "validate.maxTokens=16", "--set", "validate.documentPrompts=2"]
    )
    expect(code, output).toBe(0)
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
      const tiny = [
        'train.model={"embedding":8,"layers":1,"heads":1}',
        "train.batchSize=1",
        "train.sequenceLength=8",
        "train.initialization=random",
        "train.optimizer=adamw"
      ].flatMap((setting) => ["--set", setting])
      const verified = trainyard("verify", "pipeline.ts", "--backend", engine, "--steps", "1", ...tiny)
      expect(verified.output).not.toMatch(/^\s+at /m)
      expect(verified.code, verified.output).toBe(0)
    }
  })

  test("a language from another package judges completions, and its code counts for the cache key", {
    timeout: 240_000
  }, () => {
    const language = join(place, "language")
    cpSync(join(root, "examples", "packages", "language"), language, { recursive: true })
    symlinkSync(join(project, "node_modules"), join(language, "node_modules"))
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
    expect(run(process.execPath, [tsc, "--singleThreaded", "-p", "."], { cwd: language }).output).toBe("")
    rmSync(join(language, "node_modules"))
    const packed = run("npm", ["pack", "--silent"], { cwd: language, compilers: true }).stdout.trim()
    const installed = run("npm", ["install", "--no-audit", "--no-fund", join(language, packed)], {
      compilers: true
    })
    expect(installed.code, installed.output).toBe(0)

    mkdirSync(join(project, "data"))
    for (let index = 0; index < 60; index++) {
      const value = { name: `item ${index}`, size: index * 7, tags: ["a", "b"], nested: { index } }
      writeFileSync(join(project, "data", `${index}.json`), `${JSON.stringify(value, null, 2)}\n`)
    }
    writeFileSync(join(project, "json.ts"), jsonPipeline)
    const first = trainyard("run", "json.ts", "--backend", "cpu", "--json")
    const ended = finished(first.stdout)
    expect(ended, first.output).toMatchObject({ type: "RunFinished", status: "succeeded" })
    const report = JSON.parse(readFileSync(join(ended.artifacts.validate, "report.json"), "utf8"))
    expect(report).toMatchObject({
      language: "json",
      compiler: "JSON has no compiler check",
      realParseShare: 1
    })
    expect(report.completions.total).toBeGreaterThan(2)

    const plan = () => trainyard("plan", "json.ts", "--backend", "cpu").output
    expect(plan()).not.toMatch(/code of validate/)
    const module = join(project, "node_modules", "trainyard-language-json", "dist", "json.js")
    writeFileSync(module, readFileSync(module, "utf8").replace("depth <= 0", "depth < 1"))
    expect(plan()).toMatch(/code of validate\S* changed: json\.js/)
  })
})
