/** Ctrl-C during training: the state is saved and said to be saved; a second one stops at once. */
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { writeCorpus } from "../../../../scripts/soak/corpus.ts"
import { pipeline } from "../../../../scripts/soak/runs.ts"
import { emptyFolder, start, trainyard, write } from "../spawn.ts"

const until = async (seen: () => boolean) => {
  while (!seen()) await new Promise((resolve) => setTimeout(resolve, 10))
}

const stubborn = `
import { Effect, Schema } from "effect"
import { Artifact, Journal, Pipeline, Stage } from "@trainyard/core"
const Nothing = Artifact.kind({ name: "nothing", version: 1, value: Schema.Struct({}) })
const wait = Stage.make({
  name: "wait", version: 1, source: import.meta.url, inputs: {}, config: {}, output: Nothing,
  run: Effect.fn(function* () {
    const journal = yield* Journal
    yield* journal.publish({ type: "Progress", done: 1, unit: "files" })
    yield* Effect.uninterruptible(Effect.sleep("50 seconds"))
    return {}
  })
})
export default Pipeline.make("stubborn", () => wait())
`

describe("Ctrl-C", () => {
  test("saves the training: 130, the status says so, and the next run goes on from there", async () => {
    const directory = emptyFolder()
    writeCorpus(join(directory, "corpus"), 12)
    const place = {
      directory,
      env: { SOAK_CORPUS: join(directory, "corpus"), SOAK_STEPS: "2000", SOAK_CHECKPOINT_STEPS: "1000" }
    }
    const args = ["run", pipeline, "--backend", "cpu", "--threads", "1", "--json"]
    const { child, outcome, said } = start(place, ...args)
    await until(() => said().includes('"type":"Metric"'))
    child.kill("SIGINT")
    const { code, stderr, stdout } = await outcome
    expect(code).toBe(130)
    expect(stderr).toMatch(/Interrupted: saving what can be gone on with\. Ctrl-C again stops at once\./)
    const saved = /"type":"Saved","step":(\d+)/g
    const steps = [...stdout.matchAll(saved)].map((match) => match[1])
    expect(steps.length).toBeGreaterThan(0)
    const page = await trainyard(place, "status")
    expect(page.stdout).toMatch(/^# soak: interrupted/)
    expect(page.stdout).toMatch(/\| train \| interrupted \|/)
    expect(page.stdout).toMatch(/Run it again/)
    const next = start(place, ...args)
    await until(() => next.said().includes('"type":"Resumed"'))
    expect(next.said()).toContain(`"type":"Resumed","step":${steps.at(-1)}`)
    next.child.kill("SIGKILL")
    await next.outcome
  })

  test("before the run has begun: 130, and --json ends with a run that was interrupted", async () => {
    const directory = emptyFolder()
    write(directory, {
      "job.ts": 'console.error("here")\nawait new Promise(() => setInterval(() => {}, 1000))'
    })
    const { child, outcome, said } = start({ directory }, "run", "job.ts", "--json")
    await until(() => said().includes("here"))
    child.kill("SIGINT")
    const { code, stdout } = await outcome
    expect(code).toBe(130)
    expect(stdout).toMatch(/^\{"type":"RunFinished","status":"interrupted",[^\n]*\}\n$/)
  })

  test("twice stops at once; two that come together count as one", async () => {
    const directory = emptyFolder()
    write(directory, { "job.ts": stubborn })
    const { child, outcome, said } = start({ directory }, "run", "job.ts", "--json")
    await until(() => said().includes("Progress"))
    child.kill("SIGINT")
    child.kill("SIGINT")
    await until(() => said().includes("Ctrl-C again"))
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(child.exitCode).toBeNull()
    child.kill("SIGINT")
    expect((await outcome).code).toBe(130)
    const page = await trainyard({ directory }, "status")
    expect(page.stdout).toMatch(/^# stubborn: interrupted \(twice: stopped at once\)/)
    expect(page.stdout).toMatch(/\| wait \| interrupted \|/)
    expect(page.stdout).toMatch(/Run it again/)
  })
})
