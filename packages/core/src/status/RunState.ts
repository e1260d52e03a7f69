/** What a run's status holds: plain data, which pages and screens render. `RunStatus` reduces a run's events to it. */
import type { Comparison } from "../events/Comparison.ts"
import type { Fact, StageEvent } from "../events/RunEvent.ts"
import type { Parameter } from "../graph/Parameter.ts"
import type { Process } from "../store/Processes.ts"

type EventOf<Type extends StageEvent["type"]> = Extract<StageEvent, { readonly type: Type }>

export type StageState =
  | "pending"
  | "waiting"
  | "running"
  | "retrying"
  | "ran"
  | "cached"
  | "skipped"
  | "failed"
  | "interrupted"

/** How far a stage is in what it does now. */
export interface Progress {
  /** Which of its pieces of work, when it has several; null for the main one. */
  readonly doing: string | null
  readonly done: number
  /** Null when it is unknown. */
  readonly total: number | null
  readonly unit: string
}

/** One stage of the run. Times are ISO 8601. */
export interface Stage {
  readonly name: string
  readonly state: StageState
  /** Whether the plan had it run, and why. */
  readonly runs: boolean
  readonly why: string
  /** Stages that it comes after. */
  readonly after: ReadonlyArray<string>
  readonly config: Readonly<Record<string, unknown>>
  /** Name of the artifact that it makes or uses; null in the log of an older version. */
  readonly cacheKey: string | null
  /** 0 before it starts, 1 for the first. */
  readonly attempt: number
  /** Name of the worker that makes or made it; null where the run's own process does. */
  readonly worker: string | null
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly seconds: number | null
  readonly progress: Progress | null
  readonly secondsLeft: number | null
  readonly facts: ReadonlyArray<Fact>
  /** Its artifact's folder. */
  readonly directory: string | null
  /** What it waits for, or why it failed or is tried again. */
  readonly message: string | null
}

export interface Health {
  readonly at: string
  readonly residentBytes: number
  readonly heapBytes: number
  readonly threads: number | null
  readonly cpu: number
  readonly openFiles: number | null
  readonly peakResidentBytes: number
  readonly leak: string | null
}

/** A sample of a run's health. A merged one has the peak of those that it stands for. */
export interface HealthPoint {
  /** Since the run started. */
  readonly seconds: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly cpu: number
  /** How many samples it stands for; absent for one. */
  readonly of?: number
}

/** A point of a metric's curve. The value is null where it was not finite. */
export interface Point {
  readonly step: number
  readonly value: number | null
  /** Since the run started. */
  readonly seconds: number
  /** Lowest and highest of the values that a merged point is the mean of; absent in a point of one value. */
  readonly low?: number
  readonly high?: number
  /** How many values it stands for; absent for one. */
  readonly of?: number
}

/** A metric that a stage publishes: its newest value, its best and its curve. */
export interface Metric {
  readonly stage: string
  readonly name: string
  readonly unit: string | null
  readonly step: number
  readonly value: number | null
  /** The newest value that the stage called the best; null where it has called none so. */
  readonly best: Point | null
  /** About two thousand points of any number of values, each then the mean of its neighbours with their range. */
  readonly points: ReadonlyArray<Point>
}

/** An entry of the run's timeline. */
export interface Entry {
  readonly at: string
  readonly stage: string | null
  readonly text: string
}

/** The state of a run at one moment. */
export interface RunState {
  readonly run: string
  readonly pipeline: string
  readonly workspace: string
  readonly process: number
  /** The process with its machine; null in the log of an older version. */
  readonly owner: Process | null
  readonly backend: string
  readonly parameters: ReadonlyArray<Parameter>
  /** "crashed": its process is gone and its log has no end. */
  readonly state: "running" | "succeeded" | "failed" | "interrupted" | "crashed"
  /** Interrupted a second time, so that what was not saved is lost. */
  readonly stoppedAtOnce: boolean
  readonly startedAt: string
  /** Time of the last event. */
  readonly updatedAt: string
  readonly seconds: number
  /** Null when it cannot be estimated. */
  readonly secondsLeft: number | null
  readonly stages: ReadonlyArray<Stage>
  /** In the order in which they first came, those of a stage together. */
  readonly metrics: ReadonlyArray<Metric>
  readonly samples: ReadonlyArray<{
    readonly stage: string
    readonly step: number | null
    readonly prompt: string
    readonly completion: string
  }>
  readonly saved: ReadonlyArray<{
    readonly at: string
    readonly stage: string
    readonly step: number
    readonly directory: string
    readonly best: boolean
    readonly bytes: number
  }>
  readonly resumed: { readonly step: number; readonly directory: string } | null
  readonly gates: ReadonlyArray<EventOf<"Gate"> & { readonly stage: string }>
  /** The trials of sweeps, once the run has ended. */
  readonly comparisons: ReadonlyArray<Comparison>
  readonly retries: number
  /** The newest of them, with the attempt that followed. */
  readonly retried: ReadonlyArray<{
    readonly at: string
    readonly stage: string
    readonly attempt: number
    readonly message: string
  }>
  readonly faults: ReadonlyArray<EventOf<"Fault"> & { readonly at: string; readonly stage: string }>
  readonly failures: ReadonlyArray<{
    readonly at: string
    readonly stage: string | null
    readonly error: string
    readonly message: string
  }>
  readonly warnings: ReadonlyArray<Entry>
  readonly health: Health | null
  /** Memory and processor over time, at most 512 points. */
  readonly healthCurve: ReadonlyArray<HealthPoint>
  readonly timeline: ReadonlyArray<Entry>
  /** What comes next, in one sentence. */
  readonly next: string
}

/** Before the first event. */
export const empty: RunState = {
  run: "",
  pipeline: "",
  workspace: "",
  process: 0,
  owner: null,
  backend: "",
  parameters: [],
  state: "running",
  stoppedAtOnce: false,
  startedAt: "",
  updatedAt: "",
  seconds: 0,
  secondsLeft: null,
  stages: [],
  metrics: [],
  samples: [],
  saved: [],
  resumed: null,
  gates: [],
  comparisons: [],
  retries: 0,
  retried: [],
  faults: [],
  failures: [],
  warnings: [],
  health: null,
  healthCurve: [],
  timeline: [],
  next: "The run is about to start."
}

/** Facts with newer ones, which take the place of those with the same label. */
export const withFacts = (old: ReadonlyArray<Fact>, newer: ReadonlyArray<Fact>): ReadonlyArray<Fact> => [
  ...old.filter((fact) => !newer.some(({ label }) => label === fact.label)),
  ...newer
]
