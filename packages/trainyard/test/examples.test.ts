import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import { emptyFolder, trainyard } from "./spawn.ts"

const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

const Finished = Schema.fromJsonString(
  Schema.Struct({
    status: Schema.String,
    stages: Schema.Array(Schema.Struct({ name: Schema.String, status: Schema.String })),
    artifacts: Schema.Record(Schema.String, Schema.String)
  })
)

const run = async (path: string, directory: string, ...args: ReadonlyArray<string>) => {
  const { code, stderr, stdout } = await trainyard({ directory }, "run", file(path), "--json", ...args)
  expect(stderr).toBe("")
  expect(code).toBe(0)
  return Schema.decodeUnknownSync(Finished)(stdout.trimEnd().split("\n").at(-1))
}

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
    expect(changed.stages.map(({ status }) => status)).toEqual(["cached", "ran", "ran", "ran"])
  })

  test("swap-backend: another engine makes what is computed anew, and nothing else", async () => {
    const directory = emptyFolder()
    const small = ["--set", "train.steps=2"]
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
      "tokenize cached",
      "dataset cached",
      "train ran",
      "checkpoint ran"
    ])
  })
})

describe("pipelines", () => {
  test.each(["pipelines/quickstart.ts", "pipelines/c-code.ts"])("%s can be planned", async (path) => {
    const { code, stdout } = await trainyard({ directory: emptyFolder() }, "plan", file(path))
    expect(code).toBe(0)
    for (const name of ["clean", "collect", "tokenize", "dataset", "train", "checkpoint", "validate"]) {
      expect(stdout).toMatch(new RegExp(`^${name} `, "m"))
    }
  })
})
