/** `trainyard export` on an untrained byte model: what it writes, says and refuses. */
import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { beforeAll, expect, test } from "vitest"
import { makeModel } from "../../stages/test/validate/laboratory.ts"
import { emptyFolder, inOneProcess } from "./spawn.ts"

const directory = emptyFolder()
beforeAll(() =>
  Effect.runPromise(makeModel(join(directory, "model")).pipe(Effect.provide(NodeServices.layer)))
)

const asked = inOneProcess()
const run = (...args: ReadonlyArray<string>) => asked({ directory }, "export", ...args)

test("names the file by its type, prints JSON, and notes weights that the type has no blocks for", async () => {
  const { code, stderr, stdout } = await run("model", "--format", "gguf", "--type", "q8_0", "--json")
  expect(code).toBe(0)
  expect(stderr).toMatch(
    /weights are f16 and not q8_0, because their rows are no multiple of 32 numbers: transformer\./
  )
  const { path, ...rest } = JSON.parse(stdout)
  expect(path).toMatch(/\/model-q8_0\.gguf$/)
  expect(readFileSync(path).subarray(0, 4).toString()).toBe("GGUF")
  expect(rest).toEqual({ format: "gguf", type: "q8_0", bytes: statSync(path).size })
})

test("writes a folder for ONNX Runtime where it is asked to, and says where and how large", async () => {
  const { code, stderr, stdout } = await run("model", "--format", "onnx", "--output", "web")
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  expect(stdout).toMatch(/\/web {2}\d+(\.\d)? kB\n$/)
  for (const name of ["config.json", "tokenizer.json", "onnx/model.onnx"])
    expect(existsSync(join(directory, "web", name))).toBe(true)
})

test("refuses what is no model, and a type that ONNX does not have", async () => {
  const none = await run("nowhere", "--format", "gguf")
  expect(none.code).toBe(2)
  expect(none.stderr).toMatch(/nowhere cannot be used as a model: it has no config\.json\./)
  const typed = await run("model", "--format", "onnx", "--type", "f16")
  expect(typed.code).toBe(2)
  expect(typed.stderr).toMatch(/--type f16 has no effect on ONNX/)
})
