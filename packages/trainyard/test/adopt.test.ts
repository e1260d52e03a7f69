import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { inOneProcess, trainyard } from "./spawn.ts"
import { tinyPipeline } from "./tinyPipeline.ts"

describe("trainyard adopt", () => {
  let directory = ""
  const file = () => join(directory, "job.ts")
  const edit = (from: string, to: string) => {
    const text = readFileSync(file(), "utf8")
    expect(text).toContain(from)
    writeFileSync(file(), text.replace(from, to))
  }
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "trainyard-adopt-"))
    writeFileSync(file(), tinyPipeline)
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  test("plan offers what only code made stale; adopt keeps it; plan, run and status say so", async () => {
    const where = { directory }
    await trainyard(where, "run", "job.ts")
    edit("There are no words. Write some.", "There is not a word. Write some.")
    const before = await trainyard(where, "plan", "job.ts")
    expect(before.stdout).toMatch(/read {3}run {2}code of job\.ts changed \(can be kept\)/)
    expect(before.stdout).toMatch(/judge {2}run {2}input words changed \(can be kept\)/)
    expect(before.stdout).toContain("keep their artifacts: trainyard adopt job.ts read,judge")
    const adopted = await trainyard(where, "adopt", "job.ts", "read,judge")
    expect(adopted.code).toBe(0)
    expect(adopted.stdout).toMatch(/read {2}[0-9a-f]{32} {2}code of job\.ts changed/)
    const after = await trainyard(where, "plan", "job.ts")
    expect(after.stdout).toMatch(
      /read {3}reuse {2}adopted \d{4}-\d\d-\d\d although: code of job\.ts changed\n/
    )
    expect(after.stdout).toMatch(/judge {2}reuse {2}unchanged/)
    expect(after.stdout).not.toContain("trainyard adopt")
    const json = (await trainyard(where, "plan", "job.ts", "--json")).stdout
      .split("\n")
      .filter((line) => line.startsWith("{"))
    expect(json.map((line) => JSON.parse(line))).toMatchObject([
      { name: "read", action: "reuse", adopted: true, adoptable: false },
      { name: "judge", action: "reuse", adopted: false, adoptable: false }
    ])
    expect((await trainyard(where, "run", "job.ts")).code).toBe(0)
    expect((await trainyard(where, "status")).stdout).toContain("although: code of job.ts changed")
  })

  test("what cannot be adopted is wrong usage, in one sentence", async () => {
    const where = { directory }
    const asked = inOneProcess()
    const current = await asked(where, "adopt", "job.ts", "judge")
    expect(current.code).toBe(2)
    expect(current.stderr).toContain("judge would not run (unchanged), so there is nothing to adopt.")
    const config = await asked(where, "adopt", "job.ts", "judge", "--set", "judge.atLeast=4")
    expect(config.code).toBe(2)
    expect(config.stderr).toContain("cannot be adopted: config.atLeast 3 → 4.")
    const unknown = await asked(where, "adopt", "job.ts", "juge")
    expect(unknown.code).toBe(2)
    expect(unknown.stderr).toContain("juge")
  })
})
