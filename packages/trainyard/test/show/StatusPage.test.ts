import type { RunEvent } from "@trainyard/core/RunEvent"
import * as RunStatus from "@trainyard/core/RunStatus"
import type { Unfinished } from "@trainyard/core/Unfinished"
import { expect, test } from "vitest"
import { page } from "../../src/show/StatusPage.ts"
import { events } from "./job.ts"

const owner = { host: "far-away", machine: "0123456789abcdef", pid: 28_672, started: "9" }

const elsewhere = events.map(
  (event): RunEvent =>
    event.event.type === "RunStarted" ? { ...event, event: { ...event.event, owner } } : event
)

test("says where a run is, and how long it has been silent", () => {
  const status = RunStatus.of(elsewhere)
  const last = Date.parse(status.updatedAt)
  expect(page(status, [], last + 60_000)).toContain("Process 28672 on far-away.")
  const silent = page(status, [], last + 3 * 3_600_000)
  expect(silent[0]).toBe("# quickstart: running")
  expect(silent.join("\n")).toMatch(
    /Process 28672 on far-away, silent for 3 h 00 min\. If that machine will not come back, start the same command on another/
  )
  // A log of an older version does not say.
  expect(page(RunStatus.of(events), [], last).join("\n")).not.toMatch(/^Process \d/m)
})

test("says which file to remove when a machine that holds a lock is gone for good", () => {
  const status = RunStatus.reduce(RunStatus.of(events), {
    run: "r",
    at: new Date().toISOString(),
    event: {
      type: "StageWaiting",
      stage: "train",
      holder: "process 7 on far-away",
      hint: "If far-away will not come back, remove /w/locks/abc."
    }
  })
  const problems = page(status).join("\n").split("## Problems")[1]
  expect(problems).toMatch(
    /train: Waits for process 7 on far-away\. If far-away will not come back, remove \/w\/locks\/abc\./
  )
})

test("lists what can be resumed, with the command, or why that takes more than a command", () => {
  const status = RunStatus.of(events)
  const now = Date.parse(status.updatedAt)
  const work: Unfinished = {
    cacheKey: "8e16e560ce93aaaa8e16e560ce93aaaa",
    bytes: 12_300_000,
    changedAt: now - 3_600_000,
    stage: "train",
    pipeline: "c-code",
    run: "r",
    step: 1200,
    command: { directory: process.cwd(), words: ["run", "pipelines/c-code.ts"] },
    inUse: null,
    artifact: null
  }
  const listed = page(
    status,
    [
      work,
      { ...work, stage: null, step: null, command: null },
      { ...work, artifact: "/w/artifacts/train/8e16" }
    ],
    now
  )
  expect(listed.slice(listed.indexOf("## Can be resumed") + 2).slice(0, 3)).toEqual([
    "- train of c-code, step 1,200, 12.3 MB, last changed 1 h 00 min ago (8e16e560ce93). Resume with: trainyard run pipelines/c-code.ts",
    "- a stage that no log names, 12.3 MB, last changed 1 h 00 min ago (8e16e560ce93). The command that made it resumes it; no log has that command.",
    "- train of c-code, step 1,200, 12.3 MB, last changed 1 h 00 min ago (8e16e560ce93). An older artifact of the same name is whole, and a run reuses that; to resume this instead, remove /w/artifacts/train/8e16 first."
  ])
})
