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
