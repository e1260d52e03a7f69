import { describe, expect, it } from "@effect/vitest"
import type { RunEvent, StageEvent } from "../../src/events/RunEvent.ts"
import * as RunStatus from "../../src/status/RunStatus.ts"

const at = (second: number) => new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString()
const event = (second: number, said: RunEvent["event"]): RunEvent => ({
  run: "r",
  at: at(second),
  event: said
})
const said = (second: number, stage: string, what: StageEvent): RunEvent =>
  event(second, { type: "Stage", stage, event: what })
const step = (second: number, number: number, loss: number | null): RunEvent =>
  said(second, "train", {
    type: "Step",
    step: number,
    steps: 100,
    epoch: 1,
    loss,
    learningRate: 0.1,
    gradientNorm: 1,
    tokensPerSecond: 10,
    stepMilliseconds: 5,
    secondsLeft: 100 - number
  })

const beginning: ReadonlyArray<RunEvent> = [
  event(0, {
    type: "RunStarted",
    pipeline: "c-code",
    workspace: "/w",
    process: 7,
    backend: "cpu, 2 threads",
    stages: [
      { name: "collect", runs: false, why: "unchanged", after: [], config: { a: 1 } },
      { name: "train", runs: true, why: "never made", after: ["collect"], config: {} },
      { name: "validate", runs: true, why: "never made", after: ["train"], config: {} }
    ]
  }),
  event(1, {
    type: "StageFinished",
    stage: "collect",
    status: "cached",
    seconds: 0.1,
    directory: "/w/c",
    cacheKey: "f"
  }),
  event(2, { type: "StageStarted", stage: "train", why: "never made", attempt: 1 })
]

const states = (status: RunStatus.RunStatus) =>
  Object.fromEntries(status.phases.map(({ name, state }) => [name, state]))

describe("a running run", () => {
  it("tells phases, progress, time left and what is next", () => {
    const status = RunStatus.of([
      ...beginning,
      step(3, 10, 4.5),
      said(4, "train", { type: "Evaluation", step: 10, loss: 4.4, perplexity: 81, best: true }),
      said(5, "train", {
        type: "CheckpointSaved",
        step: 10,
        directory: "/w/k",
        best: true,
        bytes: 9,
        seconds: 0.1
      })
    ])
    expect(states(status)).toEqual({ collect: "cached", train: "running", validate: "pending" })
    expect(status.phases[1]!.progress).toEqual({ doing: null, done: 10, total: 100, unit: "steps" })
    expect(status.secondsLeft).toBe(90)
    expect(status.seconds).toBe(5)
    expect(status.training).toMatchObject({ stage: "train", step: 10 })
    expect(status.checkpoints).toHaveLength(1)
    expect(status.next).toBe("train goes on, then validate.")
    expect(status.timeline.map(({ text }) => text)).toContain("Checkpoint at step 10, the best so far")
  })

  it("estimates time left from plain progress", () => {
    const status = RunStatus.of([
      ...beginning,
      said(12, "train", { type: "Progress", done: 25, total: 100, unit: "files" })
    ])
    expect(status.secondsLeft).toBeCloseTo(30)
  })

  it("counts retries and faults, and shows who is waited for", () => {
    const status = RunStatus.of([
      ...beginning,
      event(3, {
        type: "StageRetried",
        stage: "train",
        attempt: 2,
        error: "Hung",
        message: "A worker hung.",
        delaySeconds: 1
      }),
      said(4, "train", {
        type: "Fault",
        kind: "worker",
        message: "A worker died",
        action: "it was started again"
      })
    ])
    expect(status).toMatchObject({ retries: 1, faults: [{ kind: "worker", stage: "train" }] })
    expect(status.phases[1]).toMatchObject({ state: "retrying", message: "A worker hung." })
    const waiting = RunStatus.update(
      status,
      event(5, { type: "StageWaiting", stage: "train", holder: "process 9" })
    )
    expect(waiting.phases[1]).toMatchObject({ state: "waiting", message: "waits for process 9" })
  })
})

describe("the loss curve", () => {
  it("keeps about two thousand points of any number of steps, in order", () => {
    const events = [...beginning, ...Array.from({ length: 9000 }, (_, i) => step(3, i + 1, 1 / (i + 1)))]
    const { losses } = RunStatus.of(events)
    expect(losses.length).toBeLessThanOrEqual(2048)
    expect(losses.length).toBeGreaterThan(1000)
    expect(losses.at(-1)!.step).toBe(9000)
    expect(losses.every((point, i) => i === 0 || point.step > losses[i - 1]!.step)).toBe(true)
  })

  it("forgets what came after the step that training went back to", () => {
    const { losses } = RunStatus.of([
      ...beginning,
      step(3, 1, 3),
      step(4, 2, 2),
      step(5, 3, null),
      step(6, 2, 1.9)
    ])
    expect(losses).toEqual([
      { step: 1, loss: 3 },
      { step: 2, loss: 1.9 }
    ])
  })
})

describe("an ended run", () => {
  const end = (status: "succeeded" | "failed" | "interrupted"): RunEvent =>
    event(9, {
      type: "RunFinished",
      status,
      seconds: 9,
      stages: [
        { name: "collect", status: "cached", seconds: 0 },
        { name: "train", status: status === "succeeded" ? "ran" : "failed", seconds: 5 },
        { name: "validate", status: "skipped", seconds: 0 }
      ],
      artifacts: { collect: "/w/c" }
    })

  it("says what is next for each way to end", () => {
    expect(RunStatus.of([...beginning, end("succeeded")])).toMatchObject({
      state: "succeeded",
      secondsLeft: null,
      next: "Nothing: the run is done."
    })
    expect(states(RunStatus.of([...beginning, end("failed")]))).toEqual({
      collect: "cached",
      train: "failed",
      validate: "skipped"
    })
    expect(RunStatus.of([...beginning, end("interrupted")]).next).toContain("goes on from what is finished")
  })

  it("has crashed when its process is gone and it never said that it finished", () => {
    const status = RunStatus.of([...beginning, step(3, 10, 4)], false)
    expect(status.state).toBe("crashed")
    expect(states(status)).toEqual({ collect: "cached", train: "interrupted", validate: "pending" })
    expect(RunStatus.of([...beginning, end("succeeded")], false).state).toBe("succeeded")
  })

  it("tells a failed gate from a failed stage", () => {
    const gate = event(8, {
      type: "Failure",
      stage: "validate",
      error: "GateFailed",
      message: "Perplexity 90 is above 50."
    })
    expect(RunStatus.of([...beginning, gate, end("failed")]).next).toContain("the artifacts stand")
  })
})

it("an empty log is a run about to start", () => {
  expect(RunStatus.of([])).toEqual(RunStatus.empty)
})

it("a run that was stopped at once by a second signal was interrupted, not crashed, though it never finished", () => {
  const status = RunStatus.of([...beginning, event(4, { type: "RunStopped" })], false)
  expect(status).toMatchObject({ state: "interrupted", stoppedAtOnce: true, secondsLeft: null })
  expect(states(status)).toEqual({ collect: "cached", train: "interrupted", validate: "pending" })
  expect(status.next).toMatch(/^Run it again/)
  expect(status.timeline.at(-1)?.text).toMatch(/second signal/)
})
