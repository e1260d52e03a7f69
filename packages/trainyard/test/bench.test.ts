import { describe, expect, test } from "vitest"
import { emptyFolder, start, trainyard } from "./spawn.ts"

const few = ["--backend", "cpu", "--threads", "1"] as const

describe("bench", () => {
  test("interrupted, shows what was measured, says what was not, and exits with 130", async () => {
    const { child, outcome, said } = start({ directory: emptyFolder() }, "bench", ...few, "--seconds", "1")
    child.stderr?.on("data", () => {
      if (said().includes("train-step:")) child.kill("SIGINT")
    })
    const { code, stderr, stdout } = await outcome
    expect(code).toBe(130)
    expect(stdout).toMatch(/^cpu +f32 +1 +train-step +[\d.,]+ +[\d.,]+ /m)
    expect(stdout).toMatch(/^Where a training step's time goes: cpu, 1 thread$/m)
    expect(stderr).toMatch(
      /Interrupted: [12] of 4 measured\. Not measured: cpu, f32, 1 thread \((matmul, )?generate\); cpu, int8, 1 thread \(generate\)\./
    )
  })

  test("takes engine, threads and precision from the environment, and refuses what means nothing", async () => {
    const directory = emptyFolder()
    const env = { TRAINYARD_BACKEND: "cpu", TRAINYARD_THREADS: "1", TRAINYARD_PRECISION: "bf16" }
    const one = await trainyard({ directory, env }, "bench", "--json")
    expect(JSON.parse(one.stdout)).toEqual({
      engine: "cpu",
      unavailable: "it offers precision f32, int8 only"
    })
    // Nothing was measured of what was asked for.
    expect(one.code).toBe(2)
    const none = await trainyard({ directory, env: { TRAINYARD_THREADS: "none" } }, "bench")
    expect(none.code).toBe(2)
    expect(none.stderr).toBe('TRAINYARD_THREADS is "none": give a number from 1 to 64.\n')
  })
})
