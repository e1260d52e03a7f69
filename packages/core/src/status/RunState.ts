/** What a run's status holds: plain data, which pages and screens render. `RunStatus` folds it from the run's events. */

import type { Comparison } from "../events/Comparison.ts"
import type { StageEvent } from "../events/RunEvent.ts"
import type { Parameter } from "../graph/Parameters.ts"
import type { Process } from "../store/Processes.ts"
import type { LossPoint } from "./LossCurve.ts"

type Said<Type extends StageEvent["type"]> = Extract<StageEvent, { readonly type: Type }>

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
  /** Null when nobody knows. */
  readonly total: number | null
  readonly unit: string
}

/** One stage of the run. Times are ISO 8601. */
export interface Phase {
  readonly name: string
  readonly state: StageState
  /** Whether the plan had it run, and why. */
  readonly runs: boolean
  readonly why: string
  /** Stages that it comes after. */
  readonly after: ReadonlyArray<string>
  readonly config: Readonly<Record<string, unknown>>
  /** 0 before it starts, 1 for the first. */
  readonly attempt: number
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly seconds: number | null
  readonly progress: Progress | null
  readonly secondsLeft: number | null
  readonly facts: ReadonlyArray<{ readonly label: string; readonly text: string }>
  /** Its artifact's folder. */
  readonly directory: string | null
  /** Who is waited for, or why it failed or is tried again. */
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

/** A moment of the run worth a line. */
export interface Moment {
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
  /** "crashed": its process is gone and it never said that it finished. */
  readonly state: "running" | "succeeded" | "failed" | "interrupted" | "crashed"
  /** Interrupted a second time, so that what was not saved is lost. */
  readonly stoppedAtOnce: boolean
  readonly startedAt: string
  /** Time of the last event. */
  readonly updatedAt: string
  readonly seconds: number
  /** Null when nobody can tell. */
  readonly secondsLeft: number | null
  readonly phases: ReadonlyArray<Phase>
  /** The last training step, and the stage that made it. */
  readonly training: (Said<"Step"> & { readonly stage: string }) | null
  /** Thinned to about two thousand points, each then the mean of its neighbours. */
  readonly losses: ReadonlyArray<LossPoint>
  readonly evaluations: ReadonlyArray<
    LossPoint & { readonly perplexity: number | null; readonly best: boolean }
  >
  readonly samples: ReadonlyArray<{
    readonly step: number | null
    readonly prompt: string
    readonly completion: string
  }>
  readonly checkpoints: ReadonlyArray<{
    readonly at: string
    readonly step: number
    readonly directory: string
    readonly best: boolean
    readonly bytes: number
  }>
  readonly resumed: { readonly step: number; readonly directory: string } | null
  readonly gates: ReadonlyArray<Said<"Gate"> & { readonly stage: string }>
  /** The trials of sweeps, once the run has ended. */
  readonly comparisons: ReadonlyArray<Comparison>
  readonly retries: number
  readonly faults: ReadonlyArray<Said<"Fault"> & { readonly at: string; readonly stage: string }>
  readonly failures: ReadonlyArray<{
    readonly at: string
    readonly stage: string | null
    readonly error: string
    readonly message: string
  }>
  readonly warnings: ReadonlyArray<Moment>
  readonly health: Health | null
  readonly timeline: ReadonlyArray<Moment>
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
  phases: [],
  training: null,
  losses: [],
  evaluations: [],
  samples: [],
  checkpoints: [],
  resumed: null,
  gates: [],
  comparisons: [],
  retries: 0,
  faults: [],
  failures: [],
  warnings: [],
  health: null,
  timeline: [],
  next: "The run is about to start."
}
