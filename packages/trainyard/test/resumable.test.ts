/** Interrupted work and the next experiment: it stays, `plan`, `status` and `gc` list it, and the command that they show resumes it. */
import { existsSync, readdirSync, utimesSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { goingOn } from "../src/CommandWords.ts"
import { commandLine } from "../src/show/Resumable.ts"
import { emptyFolder, inOneProcess, type Place, start, trainyard, write } from "./spawn.ts"

const job = `
import { Effect, FileSystem, Schema } from "effect"
import { Artifact, clean, Journal, Pipeline, Stage } from "trainyard"

const Weights = Artifact.kind({ name: "weights", version: 1, value: Schema.Struct({ from: Schema.Int }) })
const train = Stage.make({
  name: "train",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config: { steps: Schema.Int },
  output: Weights,
  run: Effect.fn(function* ({ config, scratch }) {
    const fs = yield* FileSystem.FileSystem
    const journal = yield* Journal
    const kept = yield* fs.readDirectory(scratch)
    const from = Math.max(0, ...kept.map((name) => Number(name.slice(5))))
    if (from > 0) yield* journal.publish({ type: "Resumed", step: from, directory: scratch, skipped: [] })
    for (let step = from + 1; step <= config.steps; step++) {
      const directory = scratch + "/step-" + step
      yield* fs.makeDirectory(directory)
      yield* fs.writeFileString(directory + "/state", "x".repeat(1000))
      yield* journal.publish({ type: "Saved", step, directory, best: false, bytes: 1000, seconds: 0 })
      // The first attempt of the long one never comes further than its third step.
      if (step === 3 && from === 0) yield* Effect.never
    }
    return { from }
  })
})
export default Pipeline.make("job", () => train({ steps: 9, after: [clean()] }))
`

const asked = inOneProcess()

/** A workspace in which the job was interrupted after its third step. */
const interrupted = async (): Promise<Place> => {
  const place = { directory: emptyFolder() }
  write(place.directory, { "job.ts": job })
  const run = start(place, "run", "job.ts", "--json", "--force")
  while (!run.said().includes('"type":"Saved","step":3')) await new Promise((r) => setTimeout(r, 10))
  run.child.kill("SIGINT")
  expect((await run.outcome).code).toBe(130)
  return place
}

const scratchOf = (place: Place): ReadonlyArray<string> => {
  const folder = join(place.directory, ".trainyard", "scratch")
  return existsSync(folder) ? readdirSync(folder) : []
}

describe("an interrupted run", () => {
  test("outlives the next experiment and gc; plan and status say what resumes it, and that does", async () => {
    const place = await interrupted()
    const [cacheKey = ""] = scratchOf(place)
    const planned = await asked(place, "plan", "job.ts")
    expect(planned.stdout).toMatch(/train +run +.*; resumes from step 3 \(3\.0 kB\)/)
    expect(planned.stdout).not.toContain("Can be resumed")
    const json = await asked(place, "plan", "job.ts", "--json")
    expect(json.stdout).toContain(`"resumes":{"cacheKey":"${cacheKey}"`)

    const other = await trainyard(place, "run", "job.ts", "--set", "train.steps=2")
    expect(other.code).toBe(0)
    expect((await asked(place, "gc")).stdout).toMatch(
      new RegExp(
        `can be resumed from them[^]*train of job, step 3, 3\\.0 kB, last changed .* ago \\(${cacheKey.slice(0, 12)}\\)`
      )
    )
    expect(scratchOf(place)).toEqual([cacheKey])

    // --force was the first command's; what goes on does not begin anew.
    const goesOn = "Resume with: trainyard run job.ts"
    const elsewhere = await asked(place, "plan", "job.ts", "--set", "train.steps=2")
    expect(elsewhere.stdout).toMatch(/Can be resumed, but not by this plan, .*:\n {2}train of job, step 3/)
    expect(elsewhere.stdout).toContain(`${goesOn}\n`)
    const page = await asked(place, "status")
    expect(page.stdout).toMatch(/^# job: succeeded/)
    expect(page.stdout).toMatch(/## Can be resumed\n\n- train of job, step 3/)
    expect(page.stdout).toContain(goesOn)
    const state = JSON.parse((await asked(place, "status", "--json")).stdout)
    expect(state.resumable).toMatchObject([
      { cacheKey, stage: "train", pipeline: "job", step: 3, command: { words: ["run", "job.ts"] } }
    ])

    const again = await trainyard(place, "run", "job.ts", "--json")
    expect(again.code).toBe(0)
    expect(again.stdout).toContain('"type":"Resumed","step":3')
    expect(scratchOf(place)).toEqual([])
  })

  test("gc removes it by name or by age, and says what it does not know", async () => {
    const place = await interrupted()
    const [cacheKey = ""] = scratchOf(place)
    const unknown = await asked(place, "gc", "--scratch", "0000000")
    expect(unknown.code).toBe(2)
    expect(unknown.stderr).toContain(
      `There is no unfinished work "0000000". There is: ${cacheKey.slice(0, 12)}.`
    )
    const wrong = await asked(place, "gc", "--scratch-older-than", "soon")
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain("30d")
    await asked(place, "gc", "--scratch-older-than", "30d")
    expect(scratchOf(place)).toEqual([cacheKey])
    const claim = join(place.directory, ".trainyard", "locks", `${cacheKey}@far-away-0123456789abcdef.7.9.0`)
    write(place.directory, { [`.trainyard/locks/${claim.split("/").at(-1)}`]: "" })
    const used = await asked(place, "gc", "--scratch", cacheKey.slice(0, 8))
    expect(used.code).toBe(2)
    expect(used.stderr).toContain("process 7 on far-away works on")
    expect(used.stderr.replaceAll(/\s+/g, "")).toContain(`remove${claim.replaceAll(/\s+/g, "")}first`)
    const longAgo = new Date(Date.now() - 2 * 86_400_000)
    utimesSync(claim, longAgo, longAgo)
    const dry = await asked(place, "gc", "--scratch", cacheKey.slice(0, 8), "--dry-run")
    expect(dry.stdout).toContain(`scratch/${cacheKey}`)
    expect(scratchOf(place)).toEqual([cacheKey])
    await asked(place, "gc", "--scratch-older-than", "0m")
    expect(scratchOf(place)).toEqual([])
  })
})

describe("the command that goes on", () => {
  test("leaves out what begins anew, writes out what the environment chose, and holds no password", () => {
    const words = ["run", "job.ts", "--json", "--from", "train", "--from=a", "--force", "--threads=2"]
    const command = goingOn(
      [...words, "--set", 'collect.sources=[{"repository":"https://me:secret@host/x.git"}]'],
      "/home/me",
      { TRAINYARD_BACKEND: "cpu", TRAINYARD_THREADS: "4", TRAINYARD_WORKSPACE: " " }
    )
    expect(command).toEqual({
      directory: "/home/me",
      words: [
        "run",
        "job.ts",
        "--threads=2",
        "--set",
        'collect.sources=[{"repository":"https://host/x.git"}]',
        "--backend",
        "cpu"
      ]
    })
  })

  test("can be pasted into a shell", () => {
    const command = { directory: "/home/my files", words: ["run", "it's.ts", "--set", "a.b=\u001b[2J"] }
    expect(commandLine(command, "/home/my files")).toBe("trainyard run 'it'\\''s.ts' --set 'a.b=?[2J'")
    expect(commandLine({ ...command, words: ["run", "job.ts"] }, "/")).toBe(
      "cd '/home/my files' && trainyard run job.ts"
    )
  })
})
