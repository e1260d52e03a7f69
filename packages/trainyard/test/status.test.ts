import { join } from "node:path"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import { emptyFolder, inOneProcess, start, trainyard, write } from "./spawn.ts"
import { tinyPipeline } from "./tinyPipeline.ts"

const asked = inOneProcess()

const place = () => {
  const directory = emptyFolder()
  write(directory, { "job.ts": tinyPipeline })
  return { directory }
}

const running = async (where: { readonly directory: string }) => {
  const run = start(where, "run", "job.ts", "--json", "--set", "read.seconds=60")
  while (!run.said().includes("Progress")) await new Promise((resolve) => setTimeout(resolve, 20))
  return run
}

const State = Schema.fromJsonString(Schema.Struct({ state: Schema.String, pipeline: Schema.String }))

describe("trainyard status", () => {
  test("tells a run that goes on, and after SIGKILL that its process is gone", async () => {
    const where = place()
    const { child, outcome } = await running(where)
    const during = await asked(where, "status")
    expect(during.stdout).toMatch(/^# tiny: running/)
    expect(during.stdout).toMatch(/\| read \| running \|.*of 1,200 files/)
    child.kill("SIGKILL")
    await outcome
    const after = await asked(where, "status")
    expect(after.code).toBe(0)
    expect(after.stdout).toMatch(/^# tiny: crashed/)
    expect(after.stdout).toMatch(/\| read \| interrupted \|/)
    expect(after.stdout).toMatch(/Run it again/)
    const json = await asked(where, "status", "--json")
    expect(Schema.decodeUnknownSync(State)(json.stdout)).toEqual({ state: "crashed", pipeline: "tiny" })
  })

  test("--watch ends with the run", async () => {
    const where = place()
    const { child } = await running(where)
    const watching = start(where, "status", "--watch", "--json")
    while (!watching.said().includes("running")) await new Promise((resolve) => setTimeout(resolve, 20))
    child.kill("SIGTERM")
    const { code, stdout } = await watching.outcome
    expect(code).toBe(0)
    const states = stdout
      .trimEnd()
      .split("\n")
      .map((line) => Schema.decodeUnknownSync(State)(line).state)
    expect(states[0]).toBe("running")
    expect(states.at(-1)).toBe("interrupted")
  })

  test("without a run, or with a wrong name, says so and ends with 2", async () => {
    const where = place()
    const none = await asked(where, "status")
    expect(none.code).toBe(2)
    expect(none.stderr).toMatch(/There has been no run in/)
    await trainyard(where, "run", "job.ts")
    const wrong = await asked(where, "status", "yesterday")
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toMatch(/There is no run "yesterday"/)
  })
})

describe("trainyard monitor", () => {
  test("in a pipe: plain text, and it ends with the run", async () => {
    const where = place()
    const { child, outcome } = await running(where)
    const watching = start(where, "monitor")
    while (!watching.said().includes("read")) await new Promise((resolve) => setTimeout(resolve, 20))
    child.kill("SIGTERM")
    await outcome
    const { code, stdout } = await watching.outcome
    expect(code).toBe(0)
    expect(stdout).not.toContain("\u001b")
    expect(stdout).toMatch(/read.*judge/)
    expect(stdout).toMatch(/tiny interrupted/)
  })
})

describe("trainyard gc", () => {
  test("lists with --dry-run, removes without, and keeps what the latest run needs", async () => {
    const where = place()
    await trainyard(where, "run", "job.ts", "--set", "read.words=7")
    await trainyard(where, "run", "job.ts")
    const listed = await asked(where, "gc", "--dry-run")
    expect(listed.stdout).toMatch(/artifact {2}artifacts\/read\//)
    expect(listed.stdout).toMatch(/would be freed/)
    const freed = await asked(where, "gc")
    expect(freed.stdout).toMatch(/freed in/)
    const plan = await asked(where, "plan", "job.ts")
    expect(plan.stdout).toMatch(/0 of 2 stages would run/)
    const again = await asked(where, "gc")
    expect(again.stdout).toContain(`Nothing in ${join(where.directory, ".trainyard")} can go`)
  })
})
