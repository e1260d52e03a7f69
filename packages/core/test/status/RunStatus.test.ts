import { describe, expect, it } from "@effect/vitest"
import type { MetricValue, RunEvent, StageEvent } from "../../src/events/RunEvent.ts"
import * as RunStatus from "../../src/status/RunStatus.ts"

const at = (second: number) => new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString()
const event = (second: number, event: RunEvent["event"]): RunEvent => ({ run: "r", at: at(second), event })
const ofStage = (second: number, stage: string, published: StageEvent): RunEvent =>
  event(second, { type: "Stage", stage, event: published })
const metric = (second: number, step: number, ...metrics: ReadonlyArray<MetricValue>): RunEvent =>
  ofStage(second, "train", { type: "Metric", step, metrics })
const loss = (second: number, step: number, value: number | null): RunEvent =>
  metric(second, step, { name: "loss", value })

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
const failure = (error: string): RunEvent =>
  event(8, { type: "Failure", stage: "train", error, message: "It went wrong." })

const states = (status: RunStatus.RunStatus) =>
  Object.fromEntries(status.stages.map(({ name, state }) => [name, state]))
const train = (status: RunStatus.RunStatus) => status.stages[1]

interface Case {
  readonly name: string
  readonly events: ReadonlyArray<RunEvent>
  /** Whether the process has gone away. */
  readonly gone?: boolean
  readonly status: object
}

/** Events after the beginning, and what the status then holds. */
const table: ReadonlyArray<Case> = [
  {
    name: "the beginning: stages, the engine, and what is next",
    events: [],
    status: {
      pipeline: "c-code",
      state: "running",
      backend: "cpu, 2 threads",
      seconds: 2,
      secondsLeft: null,
      next: "train goes on, then validate.",
      stages: [
        { state: "cached", directory: "/w/c" },
        { state: "running", attempt: 1 },
        { state: "pending" }
      ],
      timeline: [{ text: "Run of c-code started" }, { text: "cached" }, { text: "Started: never made" }]
    }
  },
  {
    name: "progress: the time left is estimated from what is done",
    events: [ofStage(12, "train", { type: "Progress", done: 25, total: 100, unit: "files" })],
    status: { secondsLeft: 30, stages: [{}, { progress: { doing: null, done: 25, total: 100 } }, {}] }
  },
  {
    name: "progress with the stage's own estimate",
    events: [ofStage(12, "train", { type: "Progress", done: 25, total: 100, unit: "steps", secondsLeft: 9 })],
    status: { secondsLeft: 9 }
  },
  {
    name: "progress of unknown length",
    events: [ofStage(12, "train", { type: "Progress", done: 25, unit: "bytes", doing: "downloading" })],
    status: { secondsLeft: null, stages: [{}, { progress: { doing: "downloading", total: null } }, {}] }
  },
  {
    name: "several metrics at once, of which one has a best",
    events: [
      metric(3, 5, { name: "loss", value: 4.5 }, { name: "speed", value: 10, unit: "tokens/s" }),
      metric(4, 5, { name: "validation loss", value: 4.4, best: true }),
      metric(5, 9, { name: "validation loss", value: 4.6, best: false }, { name: "loss", value: null })
    ],
    status: {
      metrics: [
        { stage: "train", name: "loss", unit: null, step: 9, value: null, best: null },
        { stage: "train", name: "speed", unit: "tokens/s", step: 5, value: 10, best: null },
        { stage: "train", name: "validation loss", step: 9, value: 4.6, best: { step: 5, value: 4.4 } }
      ]
    }
  },
  {
    name: "a stage that went back to an earlier step: the later points of its curve are dropped",
    events: [loss(3, 1, 3), loss(4, 2, 2), loss(5, 3, null), loss(6, 2, 1.9)],
    status: {
      metrics: [
        {
          points: [
            { step: 1, value: 3 },
            { step: 2, value: 1.9 }
          ]
        }
      ]
    }
  },
  {
    name: "saved work, of which one is saved again",
    events: [1, 2, 1].map((step, index) =>
      ofStage(3 + index, "train", {
        type: "Saved",
        step,
        directory: `/w/${step}`,
        best: step === 1,
        bytes: 9,
        seconds: 0.1
      })
    ),
    status: {
      saved: [
        { stage: "train", step: 2 },
        { stage: "train", step: 1, best: true, bytes: 9 }
      ],
      timeline: [{}, {}, {}, {}, { text: "Saved at step 2" }, { text: "Saved at step 1, the best so far" }]
    }
  },
  {
    name: "a resumed stage",
    events: [
      ofStage(3, "train", {
        type: "Resumed",
        step: 4,
        directory: "/w/4",
        skipped: [{ directory: "/w/5", why: "torn" }]
      })
    ],
    status: {
      resumed: { step: 4, directory: "/w/4" },
      timeline: [{}, {}, {}, { text: "Resumed from step 4, 1 broken passed over" }]
    }
  },
  {
    name: "a sample, a fault, a warning, facts and a gate that is measured again",
    events: [
      ofStage(3, "train", { type: "Sample", step: 5, prompt: "int", completion: " x;" }),
      ofStage(4, "train", { type: "Fault", kind: "worker", message: "It died", action: "started again" }),
      ofStage(5, "train", { type: "Note", level: "warning", message: "Mind this." }),
      ofStage(5, "train", { type: "Note", level: "info", message: "Not kept." }),
      ofStage(6, "train", {
        type: "Facts",
        facts: [
          { label: "Plan", text: "long" },
          { label: "Size", text: "unknown" }
        ]
      }),
      ofStage(6, "train", { type: "Facts", facts: [{ label: "Size", text: "3" }] }),
      ...[true, false].map((passed) =>
        ofStage(7, "train", {
          type: "Gate",
          gate: "g",
          value: 1,
          relation: "at-least",
          threshold: 2,
          passed
        })
      )
    ],
    status: {
      samples: [{ stage: "train", step: 5, prompt: "int", completion: " x;" }],
      faults: [{ kind: "worker", stage: "train", at: at(4) }],
      warnings: [{ stage: "train", text: "Mind this." }],
      stages: [
        {},
        {
          facts: [
            { label: "Plan", text: "long" },
            { label: "Size", text: "3" }
          ]
        },
        {}
      ],
      gates: [{ gate: "g", stage: "train", passed: false }]
    }
  },
  {
    name: "a stage that is tried again and waits",
    events: [
      event(3, {
        type: "StageRetried",
        stage: "train",
        attempt: 2,
        error: "Hung",
        message: "A worker hung.",
        delaySeconds: 1
      })
    ],
    status: { retries: 1, stages: [{}, { state: "retrying", message: "A worker hung." }, {}] }
  },
  {
    name: "a stage that waits for another process, with a hint",
    events: [event(3, { type: "StageWaiting", stage: "train", holder: "process 9", hint: "Remove it." })],
    status: {
      stages: [{}, { state: "waiting", message: "waits for process 9" }, {}],
      warnings: [{ text: "Waits for process 9. Remove it." }]
    }
  },
  {
    name: "a stage that waits for its turn",
    events: [event(3, { type: "StageWaiting", stage: "train", holder: "other", reason: "turn" })],
    status: { stages: [{}, { message: "waits for its turn to compute, after other" }, {}] }
  },
  {
    name: "health: the peak is kept",
    events: [30, 10].map((residentBytes) =>
      event(3, {
        type: "Health",
        residentBytes,
        heapBytes: 1,
        threads: 2,
        cpu: 1,
        openFiles: 3,
        leak: null
      })
    ),
    status: { health: { residentBytes: 10, peakResidentBytes: 30, threads: 2 } }
  },
  {
    name: "success",
    events: [end("succeeded")],
    status: {
      state: "succeeded",
      seconds: 9,
      secondsLeft: null,
      next: "Nothing: the run is done.",
      stages: [{ state: "cached" }, { state: "ran" }, { state: "skipped" }]
    }
  },
  {
    name: "a failed stage",
    events: [failure("Broken"), end("failed")],
    status: {
      state: "failed",
      failures: [{ stage: "train", error: "Broken", message: "It went wrong." }],
      next: "Fix what failed and run it again: finished stages are reused."
    }
  },
  {
    name: "a failed gate",
    events: [failure("GateFailed"), end("failed")],
    status: {
      next: "A gate was not passed: improve the result or relax the gate. The artifacts are kept."
    }
  },
  {
    name: "an interruption",
    events: [end("interrupted")],
    status: { state: "interrupted", stoppedAtOnce: false, next: expect.stringMatching(/^Run it again/) }
  },
  {
    name: "a second signal: interrupted, not crashed, though the log has no end",
    events: [event(4, { type: "RunStopped" })],
    gone: true,
    status: {
      state: "interrupted",
      stoppedAtOnce: true,
      secondsLeft: null,
      stages: [{ state: "cached" }, { state: "interrupted" }, { state: "pending" }]
    }
  },
  {
    name: "a process that is gone: crashed",
    events: [loss(3, 10, 4)],
    gone: true,
    status: {
      state: "crashed",
      next: expect.stringMatching(/^Its process is gone\. Run it again/),
      stages: [{ state: "cached" }, { state: "interrupted" }, { state: "pending" }]
    }
  },
  {
    name: "a process that is gone after its run has ended",
    events: [end("succeeded")],
    gone: true,
    status: { state: "succeeded" }
  }
]

describe("the status after", () => {
  it.each(table)("$name", ({ events, gone = false, status }) => {
    expect(RunStatus.of([...beginning, ...events], !gone)).toMatchObject(status)
  })

  it("no event is that of a run about to start", () => {
    expect(RunStatus.of([])).toEqual(RunStatus.empty)
  })
})

it("a curve keeps about two thousand points of any number of values, in order", () => {
  const values = Array.from({ length: 9000 }, (_, i) => loss(3, i + 1, 1 / (i + 1)))
  const { points } = RunStatus.of([...beginning, ...values]).metrics[0]!
  expect(points.length).toBeLessThanOrEqual(2048)
  expect(points.length).toBeGreaterThan(1000)
  expect(points.at(-1)!.step).toBe(9000)
  expect(points.every((point, i) => i === 0 || point.step > points[i - 1]!.step)).toBe(true)
})

it("a retried stage starts over with an attempt more", () => {
  const status = RunStatus.of([
    ...beginning,
    ofStage(3, "train", { type: "Progress", done: 1, total: 2, unit: "files" }),
    event(4, { type: "StageStarted", stage: "train", why: "never made", attempt: 2 })
  ])
  expect(train(status)).toMatchObject({ attempt: 2, progress: null, startedAt: at(2) })
  expect(states(status).train).toBe("running")
})
