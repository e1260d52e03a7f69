import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import { emptyFolder, inOneProcess, trainyard } from "./spawn.ts"

const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

const Finished = Schema.fromJsonString(
  Schema.Struct({
    status: Schema.String,
    stages: Schema.Array(Schema.Struct({ name: Schema.String, status: Schema.String })),
    artifacts: Schema.Record(Schema.String, Schema.String)
  })
)

const State = Schema.fromJsonString(Schema.Struct({ state: Schema.Struct({ step: Schema.Int }) }))

const runWith = async (
  env: Readonly<Record<string, string>>,
  path: string,
  directory: string,
  ...args: ReadonlyArray<string>
) => {
  const { code, stderr, stdout } = await trainyard({ directory, env }, "run", file(path), "--json", ...args)
  expect(stderr).toBe("")
  expect(code).toBe(0)
  return Schema.decodeUnknownSync(Finished)(stdout.trimEnd().split("\n").at(-1))
}

const run = (path: string, directory: string, ...args: ReadonlyArray<string>) =>
  runWith({}, path, directory, ...args)

describe("examples", () => {
  test("own-corpus trains a model of a folder and judges it", async () => {
    const directory = emptyFolder()
    const small = [
      "--set",
      "train.steps=3",
      "--set",
      "validate.maxTokens=8",
      "--set",
      "validate.baselines=[2]"
    ]
    const { artifacts, status } = await run("examples/own-corpus/pipeline.ts", directory, ...small)
    expect(status).toBe("succeeded")
    expect(existsSync(join(artifacts.checkpoint ?? "", "model.safetensors"))).toBe(true)
    expect(readFileSync(join(artifacts.validate ?? "", "report.md"), "utf8")).toMatch(/bits per byte/i)
  })

  test("custom-stage: a stage from outside the packages is run, reused, and changes what follows", async () => {
    const directory = emptyFolder()
    const first = await run("examples/custom-stage/pipeline.ts", directory)
    const text = readFileSync(join(first.artifacts["without-comments"] ?? "", "text.bin"), "utf8")
    expect(text).toContain("napi_create_object")
    expect(text).not.toContain("/*")
    const again = await run("examples/custom-stage/pipeline.ts", directory)
    expect(again.stages.every((stage) => stage.status === "cached")).toBe(true)
    const changed = await run(
      "examples/custom-stage/pipeline.ts",
      directory,
      "--set",
      "without-comments.kinds=[]"
    )
    expect(changed.stages.map(({ status }) => status)).toEqual(["cached", "ran", "ran", "ran", "ran"])
  })

  test("continue goes on with a run, and fine-tune with the model that it published", async () => {
    const directory = emptyFolder()
    const small = ["--set", 'first.model={"embedding":8,"layers":1,"heads":1}']
    const first = await run("examples/continue/pipeline.ts", directory, ...small)
    expect(first.status).toBe("succeeded")
    const state = (name: string) =>
      Schema.decodeUnknownSync(State)(
        readFileSync(join(first.artifacts[name] ?? "", "last", "state.json"), "utf8")
      ).state
    expect([state("first").step, state("second").step]).toEqual([20, 40])
    const whole = await run(
      "examples/continue/pipeline.ts",
      directory,
      ...small,
      "--only",
      "first",
      "--set",
      "first.steps=40"
    )
    const weights = (artifact = "") => readFileSync(join(artifact, "last", "parameters.safetensors"))
    expect(weights(first.artifacts.second).equals(weights(whole.artifacts.first))).toBe(true)
    const longer = await run(
      "examples/continue/pipeline.ts",
      directory,
      ...small,
      ...["--set", "second.steps=44"]
    )
    expect(longer.stages.map(({ name, status }) => `${name} ${status}`)).toContain("first cached")

    const model = first.artifacts.checkpoint ?? ""
    const tuned = await runWith({ MODEL: model }, "examples/fine-tune/pipeline.ts", directory)
    expect(tuned.stages.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "collect cached",
      "split cached",
      "import-tokenizer ran",
      "dataset ran",
      "import-model ran",
      "train ran",
      "checkpoint ran"
    ])
    expect(readFileSync(join(tuned.artifacts.checkpoint ?? "", "README.md"), "utf8")).toContain(
      "trained further, from the weights of another model, with Trainyard"
    )
    const again = await runWith({ MODEL: model }, "examples/fine-tune/pipeline.ts", directory)
    expect(again.stages.every((stage) => stage.status === "cached")).toBe(true)
  })

  test("fine-tune without a model says in a sentence what it looked for", async () => {
    const { code, stderr, stdout } = await trainyard(
      { directory: emptyFolder(), env: { MODEL: "/nowhere" } },
      "run",
      file("examples/fine-tune/pipeline.ts")
    )
    expect(code).toBe(1)
    expect(stdout + stderr).toMatch(
      /\/nowhere cannot be used as a model: it has no config\.json|\/nowhere\/tokenizer\.json does not exist/
    )
    expect(stdout + stderr).not.toMatch(/\n\s+at /)
  })

  test("sweep trains once for each rate, compares them, and keeps the table for status", async () => {
    const directory = emptyFolder()
    const path = file("examples/sweep/pipeline.ts")
    const args = ["--param", "rates=0.02,0.0001", "--param", "steps=6"]
    const outcome = await trainyard({ directory }, "run", path, "--json", ...args)
    expect([outcome.code, outcome.stderr]).toEqual([0, ""])
    const lines: ReadonlyArray<Record<string, unknown>> = outcome.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(lines[0]?.parameters).toMatchObject([
      { name: "rates", value: [0.02, 0.0001], from: "--param" },
      { name: "steps", value: 6 }
    ])
    expect(lines.at(-1)?.type).toBe("RunFinished")
    expect(lines.at(-2)).toMatchObject({
      type: "Comparison",
      stages: ["train", "checkpoint", "validate"],
      settings: ["train.learningRate"],
      rankedBy: "bits per byte",
      rows: [
        {
          rank: 1,
          nodes: ["train-0.02", "checkpoint-0.02", "validate-0.02"],
          settings: { "train.learningRate": 0.02 }
        },
        { rank: 2, nodes: ["train-0.0001", "checkpoint-0.0001", "validate-0.0001"] }
      ]
    })
    const page = await trainyard({ directory }, "status")
    expect(page.stdout).toMatch(/^\| 1 \| train-0\.02 \| 0\.02 \| \d\.\d+ \|/m)
    expect(page.stdout).toMatch(/^\| rates \| \[0\.02,0\.0001\] \| --param \|/m)
    const again = await trainyard({ directory }, "run", path, ...args, "--only", "validate-0.02")
    expect(again.stdout).toContain(
      "Comparison of 2 trials (train, checkpoint, validate), ranked by bits per byte"
    )
  })

  test("data-parallel averages two replicas, publishes the result, and reuses its rounds", async () => {
    const directory = emptyFolder()
    const words = ["--param", "rounds=2", "--param", "localSteps=3"]
    const path = "examples/data-parallel/pipeline.ts"
    const first = await run(path, directory, ...words)
    expect(first.stages.slice(4).map(({ name, status }) => `${name} ${status}`)).toEqual([
      "diloco-start ran",
      "diloco-round-1-replica-1 ran",
      "diloco-round-1-replica-2 ran",
      "diloco-round-1 ran",
      "diloco-round-2-replica-1 ran",
      "diloco-round-2-replica-2 ran",
      "diloco-round-2 ran",
      "diloco ran",
      "checkpoint ran"
    ])
    expect(readFileSync(join(first.artifacts.checkpoint ?? "", "README.md"), "utf8")).toContain(
      "2, averaged every 3 steps; outer learning rate 0.7, Nesterov momentum 0.9"
    )
    const changed = await run(path, directory, ...words, "--set", "diloco-round-2-replica-2.seed=5")
    expect(changed.stages.filter(({ status }) => status === "ran").map(({ name }) => name)).toEqual([
      "diloco-round-2-replica-2",
      "diloco-round-2",
      "diloco",
      "checkpoint"
    ])
  })

  test("vocabulary ranks sizes by bits per byte of the validation split", async () => {
    const directory = emptyFolder()
    const { code, stderr, stdout } = await trainyard(
      { directory },
      "run",
      file("examples/vocabulary/pipeline.ts"),
      "--json",
      // Text that is installed: the example's own is fetched.
      ...["--param", `folder=${file("node_modules/node-api-headers/include")}`],
      ...["--param", "sizes=280,400", "--param", "steps=4"]
    )
    expect([code, stderr]).toEqual([0, ""])
    const comparison = JSON.parse(stdout.trimEnd().split("\n").at(-2) ?? "")
    expect(comparison).toMatchObject({
      type: "Comparison",
      rankedBy: "validation bits per byte",
      settings: ["tokenize.vocabularySize"],
      rows: [{ rank: 1 }, { rank: 2 }]
    })
  })

  test("swap-backend: another engine makes what is computed anew, and nothing else", async () => {
    const directory = emptyFolder()
    const small = [
      ...["--set", "train.steps=2", "--set", "train.batchSize=1", "--set", "train.sequenceLength=8"],
      ...["--set", 'train.model={"embedding":8,"layers":1,"heads":1}']
    ]
    await run("examples/swap-backend/pipeline.ts", directory, ...small)
    const other = await run(
      "examples/swap-backend/pipeline.ts",
      directory,
      ...small,
      "--backend",
      "reference"
    )
    expect(other.stages.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "collect cached",
      "split cached",
      "tokenize cached",
      "dataset cached",
      "train ran",
      "checkpoint ran"
    ])
  })
})

describe("pipelines", () => {
  const asked = inOneProcess()
  test.each([
    "pipelines/quickstart.ts",
    "pipelines/c-code.ts",
    "pipelines/c-code-best.ts",
    "pipelines/c-code-editor.ts"
  ])("%s can be planned", async (path) => {
    const { code, stdout } = await asked({ directory: emptyFolder() }, "plan", file(path))
    expect(code).toBe(0)
    for (const name of [
      "clean",
      "collect",
      "split",
      "tokenize",
      "dataset",
      "train",
      "checkpoint",
      "validate"
    ]) {
      expect(stdout).toMatch(new RegExp(`^${name} `, "m"))
    }
  })
})
