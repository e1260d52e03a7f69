/**
 * The state of a run (`RunState`), folded from its events alone: the same at any moment, during the run, after it, and after a crash.
 */
import { Effect } from "effect"
import type { RunEvent } from "../events/RunEvent.ts"
import * as Processes from "../store/Processes.ts"
import * as Outlook from "./Outlook.ts"
import { empty, type Phase, type RunState } from "./RunState.ts"
import { said } from "./StageSaid.ts"
import { changePhase, keep, note, secondsBetween } from "./StatusChange.ts"

// What readers of a status need of its parts.
export { empty, type Health, type Moment, type Phase, type Progress, type StageState } from "./RunState.ts"
export type RunStatus = RunState

type EventOf<Type extends RunEvent["event"]["type"]> = Extract<RunEvent["event"], { readonly type: Type }>

const started = (at: string, run: string, event: EventOf<"RunStarted">): RunStatus => ({
  ...empty,
  run,
  pipeline: event.pipeline,
  workspace: event.workspace,
  process: event.process,
  owner: event.owner ?? null,
  backend: event.backend,
  parameters: event.parameters ?? [],
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

/** Whom or what a stage waits for, in words. */
const waitsFor = ({ holder, reason }: EventOf<"StageWaiting">): string =>
  reason === "turn" ? `its turn to compute, after ${holder}` : holder

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
    case "StageWaiting": {
      const waiting = changePhase(status, event.stage, () => ({
        state: "waiting",
        message: `waits for ${waitsFor(event)}`
      }))
      const hinted =
        event.hint === undefined
          ? waiting
          : {
              ...waiting,
              warnings: keep(waiting.warnings, {
                at,
                stage: event.stage,
                text: `Waits for ${waitsFor(event)}. ${event.hint}`
              })
            }
      return note(hinted, at, event.stage, `Waits for ${waitsFor(event)}`)
    }
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
    case "Comparison": {
      const { type: _, ...comparison } = event
      return { ...status, comparisons: [...status.comparisons, comparison] }
    }
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

/**
 * Whether a run's process may still be at work. A process of this machine is looked for. One of another machine is taken to run until its
 * log, which gets a line every few seconds, has been silent for a day; so is one of which an older version's log does not say where it runs.
 */
export const isAlive = Effect.fnUntraced(function* (status: RunStatus) {
  if (status.process <= 0) return false
  const seen =
    status.owner === null && (yield* Processes.mayHaveStarted(status.process, Date.parse(status.startedAt)))
  if (seen) return true
  const owner = status.owner ?? { host: "", machine: "", pid: status.process, started: "0" }
  return !(yield* Processes.isGone(owner, Date.parse(status.updatedAt)))
})
