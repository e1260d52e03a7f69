/**
 * The state of a run, folded from its events alone: the same at any moment, during the run, after it, and after a crash. Pages and
 * screens render this value.
 */
import { Effect } from "effect"
import type * as LossCurve from "./LossCurve.ts"
import * as Outlook from "./Outlook.ts"
import * as Processes from "./Processes.ts"
import type { RunEvent, StageEvent } from "./RunEvent.ts"
import { said } from "./StageSaid.ts"
import { changePhase, keep, note, secondsBetween } from "./StatusChange.ts"

type EventOf<Type extends RunEvent["event"]["type"]> = Extract<RunEvent["event"], { readonly type: Type }>
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

export interface RunStatus {
  readonly run: string
  readonly pipeline: string
  readonly workspace: string
  readonly process: number
  readonly backend: string
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
  readonly losses: ReadonlyArray<LossCurve.LossPoint>
  readonly evaluations: ReadonlyArray<
    LossCurve.LossPoint & { readonly perplexity: number | null; readonly best: boolean }
  >
  readonly samples: ReadonlyArray<{
    readonly step: number
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
export const empty: RunStatus = {
  run: "",
  pipeline: "",
  workspace: "",
  process: 0,
  backend: "",
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
  retries: 0,
  faults: [],
  failures: [],
  warnings: [],
  health: null,
  timeline: [],
  next: "The run is about to start."
}

const started = (at: string, run: string, event: EventOf<"RunStarted">): RunStatus => ({
  ...empty,
  run,
  pipeline: event.pipeline,
  workspace: event.workspace,
  process: event.process,
  backend: event.backend,
  startedAt: at,
  updatedAt: at,
  phases: event.stages.map((stage) => ({
    name: stage.name,
    state: "pending",
    runs: stage.runs,
    why: stage.why,
    after: stage.after ?? [],
    config: stage.config ?? {},
    attempt: 0,
    startedAt: null,
    finishedAt: null,
    seconds: null,
    progress: null,
    secondsLeft: null,
    facts: [],
    directory: null,
    message: null
  })),
  timeline: [{ at, stage: null, text: `Run of ${event.pipeline} started` }]
})

/** Phases of a process that is gone. */
const cutOff = (phases: ReadonlyArray<Phase>): ReadonlyArray<Phase> =>
  phases.map((phase) =>
    ["running", "waiting", "retrying"].includes(phase.state) ? { ...phase, state: "interrupted" } : phase
  )

const apply = (status: RunStatus, { at, event, run }: RunEvent): RunStatus => {
  switch (event.type) {
    case "RunStarted":
      return started(at, run, event)
    case "StageStarted":
      return note(
        changePhase(status, event.stage, (phase) => ({
          state: "running",
          attempt: event.attempt,
          startedAt: phase.startedAt ?? at,
          progress: null,
          secondsLeft: null,
          message: null
        })),
        at,
        event.stage,
        event.attempt === 1 ? `Started: ${event.why}` : `Attempt ${event.attempt}`
      )
    case "StageWaiting":
      return note(
        changePhase(status, event.stage, () => ({ state: "waiting", message: `waits for ${event.holder}` })),
        at,
        event.stage,
        `Waits for ${event.holder}`
      )
    case "StageRetried":
      return note(
        {
          ...changePhase(status, event.stage, () => ({ state: "retrying", message: event.message })),
          retries: status.retries + 1
        },
        at,
        event.stage,
        `Will be tried again: ${event.message}`
      )
    case "StageFinished":
      return note(
        changePhase(status, event.stage, (phase) => ({
          state: event.status,
          startedAt: phase.startedAt ?? at,
          finishedAt: at,
          seconds: event.seconds,
          secondsLeft: null,
          directory: event.directory,
          message: event.status === "failed" ? phase.message : null
        })),
        at,
        event.stage,
        event.status
      )
    case "Health":
      return {
        ...status,
        health: {
          at,
          residentBytes: event.residentBytes,
          heapBytes: event.heapBytes,
          threads: event.threads,
          cpu: event.cpu,
          openFiles: event.openFiles,
          peakResidentBytes: Math.max(status.health?.peakResidentBytes ?? 0, event.residentBytes),
          leak: event.leak
        }
      }
    case "Failure":
      return note(
        {
          ...(event.stage === null
            ? status
            : changePhase(status, event.stage, () => ({ message: event.message }))),
          failures: keep(status.failures, {
            at,
            stage: event.stage,
            error: event.error,
            message: event.message
          })
        },
        at,
        event.stage,
        event.message
      )
    case "RunFinished":
      return note(
        {
          ...status,
          state: event.status,
          phases: status.phases.map((phase) => {
            const summary = event.stages.find(({ name }) => name === phase.name)
            return phase.finishedAt !== null || summary === undefined
              ? phase
              : { ...phase, state: summary.status, directory: event.artifacts[phase.name] ?? null }
          })
        },
        at,
        null,
        `Run ${event.status}`
      )
    case "RunStopped":
      return note(
        { ...status, state: "interrupted", stoppedAtOnce: true, phases: cutOff(status.phases) },
        at,
        null,
        "Stopped at once by a second signal: what was not saved is lost"
      )
    case "Stage":
      return said(status, at, event.stage, event.event)
  }
}

/** The status after one more event. */
export const update = (status: RunStatus, event: RunEvent): RunStatus => {
  const applied = apply(status, event)
  const timed: RunStatus = {
    ...applied,
    updatedAt: event.at,
    seconds:
      event.event.type === "RunFinished" ? event.event.seconds : secondsBetween(applied.startedAt, event.at)
  }
  return { ...timed, secondsLeft: Outlook.secondsLeft(timed), next: Outlook.next(timed) }
}

/**
 * The status that events add up to.
 *
 * @param alive whether the run's process still exists; a run that is neither alive nor finished has crashed
 */
export const of = (events: Iterable<RunEvent>, alive = true): RunStatus => {
  let status = empty
  for (const event of events) status = update(status, event)
  return alive ? status : crashed(status)
}

/** The status of a run whose process is gone: a running one has crashed, another is what it was. */
export const crashed = (status: RunStatus): RunStatus => {
  if (status.state !== "running") return status
  const gone: RunStatus = {
    ...status,
    state: "crashed",
    phases: cutOff(status.phases)
  }
  return { ...gone, secondsLeft: null, next: Outlook.next(gone) }
}

/** Whether a run's process still exists on this machine and could be the one that started it. */
export const isAlive = Effect.fnUntraced(function* (status: RunStatus) {
  return status.process > 0 && (yield* Processes.mayHaveStarted(status.process, Date.parse(status.startedAt)))
})
