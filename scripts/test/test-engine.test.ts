import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const script = fileURLToPath(new URL("../test-engine.ts", import.meta.url))

test("where the processor lacks a path's instructions, one sentence says so and the exit code is 1", () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--conditions=trainyard-source", script, "native", "--path", "riscv"],
    { encoding: "utf8" }
  )
  expect(stderr).toMatch(/^Nothing was tested: .*\n$/)
  expect(status).toBe(1)
})
