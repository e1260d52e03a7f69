import type { RunEvent } from "@trainyard/core/RunEvent"
import { expect, test } from "vitest"
import { linesOf } from "../../src/show/lines.ts"
import { make } from "../../src/show/Screen.ts"

const said = (event: RunEvent["event"]): ReadonlyArray<string> =>
  linesOf(make({ write: () => true }, { LANG: "C" }), 7, { run: "r", at: "2026-11-22T21:03:01Z", event })

test("a download reads in bytes, of the whole where that is known", () => {
  const progress = { type: "Progress", doing: "downloading", done: 12_345_678, unit: "bytes" } as const
  expect(said({ type: "Stage", stage: "collect", event: progress })).toEqual(["collect  downloading 12.3 MB"])
  expect(said({ type: "Stage", stage: "collect", event: { ...progress, total: 48_000_000 } })).toEqual([
    "collect  downloading 12.3 of 48.0 MB"
  ])
})

test("nothing that a stage or a file's name says can steer the terminal", () => {
  const evil = "a\u001b[2Jb\u0007"
  const events: ReadonlyArray<RunEvent["event"]> = [
    { type: "Failure", stage: "collect", error: "E", message: evil },
    { type: "StageRetried", stage: "collect", attempt: 2, error: "E", message: evil, delaySeconds: 1 },
    { type: "Stage", stage: "collect", event: { type: "Note", level: "info", message: evil } },
    { type: "Stage", stage: "collect", event: { type: "Note", level: "warning", message: evil } },
    { type: "Stage", stage: "collect", event: { type: "Progress", done: 1, unit: evil } },
    { type: "Stage", stage: "collect", event: { type: "Fault", kind: evil, message: evil, action: evil } },
    { type: "Stage", stage: "train", event: { type: "Resumed", step: 1, directory: evil, skipped: [] } }
  ]
  for (const event of events) {
    const text = said(event).join("")
    expect(text).toContain("a?[2Jb?")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there.
    expect(text).not.toMatch(/[\u0000-\u001f]/)
  }
})

test("a stage that is tried again names the attempt that failed", () => {
  const retried = {
    type: "StageRetried",
    stage: "collect",
    attempt: 2,
    error: "SourceUnavailable",
    message: "No answer.",
    delaySeconds: 0.5
  } as const
  const line = "collect  attempt 1 failed: No answer. Tries again in 0.5 s."
  expect(said(retried)).toEqual([line])
  expect(said({ ...retried, message: "No answer" })).toEqual([line])
})
