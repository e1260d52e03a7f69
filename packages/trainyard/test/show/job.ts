/** A training run in its middle, as its events tell it. */
import type { RunEvent } from "@trainyard/core/RunEvent"

const names = ["clean", "collect", "tokenize", "dataset", "train", "checkpoint", "validate"]
const start = Date.parse("2026-11-22T21:03:01Z")

const stamped = (seconds: number, event: RunEvent["event"]): RunEvent => ({
  run: "20261122-210301-638-61bcb4",
  at: new Date(start + 1000 * seconds).toISOString(),
  event
})

const step = (at: number): ReadonlyArray<RunEvent["event"]> => [
  {
    type: "Stage",
    stage: "train",
    event: {
      type: "Metric",
      step: at,
      frequent: true,
      metrics: [
        { name: "loss", value: 3 + 4 * Math.exp(-at / 200) },
        { name: "throughput", value: 3_772, unit: "tokens/s" },
        { name: "gradient norm", value: 0.9 },
        { name: "learning rate", value: 3e-3 },
        { name: "step time", value: 136, unit: "ms" },
        { name: "epoch", value: at / 580 }
      ]
    }
  },
  {
    type: "Stage",
    stage: "train",
    event: {
      type: "Progress",
      done: at,
      total: 1_600,
      unit: "steps",
      secondsLeft: (1_600 - at) * 0.14
    }
  }
]

/** Its events up to training step 960, with faults, samples and checkpoints. */
export const events: ReadonlyArray<RunEvent> = [
  stamped(0, {
    type: "RunStarted",
    pipeline: "quickstart",
    workspace: "/home/somebody/with/a/long/path/to/the/project/.trainyard",
    process: 28_672,
    backend: "native, bf16, 2 threads (the fastest that works here; asked for by nobody in particular)",
    stages: names.map((name, index) => ({
      name,
      runs: true,
      why: "never made",
      after: index === 0 ? [] : [names[index - 1]!]
    }))
  }),
  ...names.slice(0, 4).flatMap((stage, index) => [
    stamped(index, { type: "StageStarted", stage, why: "never made", attempt: 1 }),
    stamped(index + 0.5, {
      type: "StageFinished",
      stage,
      status: "ran",
      seconds: 0.5,
      directory: `/home/somebody/.trainyard/artifacts/${stage}`,
      cacheKey: stage
    })
  ]),
  stamped(5, { type: "StageStarted", stage: "train", why: "never made", attempt: 1 }),
  ...Array.from({ length: 96 }, (_, index) =>
    step(10 * (index + 1)).map((event) => stamped(6 + index, event))
  ).flat(),
  ...[400, 800].flatMap((at) => [
    stamped(100, {
      type: "Stage",
      stage: "train",
      event: {
        type: "Metric",
        step: at,
        metrics: [
          { name: "validation loss", value: 4.996, best: true },
          { name: "validation perplexity", value: 148 }
        ]
      }
    }),
    stamped(100, {
      type: "Stage",
      stage: "train",
      event: {
        type: "Sample",
        step: at,
        prompt: "int main",
        completion: `(void)\n{ ${"return 0; ".repeat(30)}}`
      }
    }),
    stamped(101, {
      type: "Stage",
      stage: "train",
      event: {
        type: "Saved",
        step: at,
        directory: "/home/somebody/step",
        best: true,
        bytes: 8_100_000,
        seconds: 0.1
      }
    })
  ]),
  stamped(102, {
    type: "Stage",
    stage: "train",
    event: {
      type: "Fault",
      kind: "spike",
      message:
        "Step 801: the loss jumped to 11.2. Its batch was cut from rdkafka_broker.c and rdkafka_conf.c.",
      action: "the update is left out and training goes on"
    }
  }),
  stamped(103, {
    type: "Health",
    residentBytes: 421e6,
    heapBytes: 60e6,
    threads: 14,
    cpu: 1.94,
    openFiles: 34,
    leak: null
  })
]
