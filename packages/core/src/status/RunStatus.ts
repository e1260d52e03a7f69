/**
 * The reducer: a run's events, one after the other, become its state (`RunState`). It needs nothing but the events, so the state is the
 * same during the run, after it, and after a crash.
 */
import { Effect } from "effect"
import type { MetricValue, RunEvent, StageEvent } from "../events/RunEvent.ts"
import * as Processes from "../store/Processes.ts"
import { addHealth, addPoint } from "./Curve.ts"
import { empty, type Metric, type RunState, type Stage, withFacts } from "./RunState.ts"

export { empty, type Metric, type Stage } from "./RunState.ts"
export type RunStatus = RunState

type EventOf<Type extends RunEvent["event"]["type"]> = Extract<RunEvent["event"], { readonly type: Type }>

const maximumEntries = 200

/** The items with one more; the oldest goes when there are too many. */
const append = <A>(items: ReadonlyArray<A>, item: A): ReadonlyArray<A> =>
  items.length < maximumEntries ? [...items, item] : [...items.slice(1), item]

const secondsBetween = (from: string, to: string): number =>
  Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000)

const changeStage = (status: RunState, name: string, change: (stage: Stage) => Partial<Stage>): RunState => ({
  ...status,
  stages: status.stages.map((stage) => (stage.name === name ? { ...stage, ...change(stage) } : stage))
})

const addEntry = (status: RunState, at: string, stage: string | null, text: string): RunState => ({
  ...status,
  timeline: append(status.timeline, { at, stage, text })
})

const start = (at: string, run: string, event: EventOf<"RunStarted">): RunState => ({
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
  stages: event.stages.map((stage) => ({
    name: stage.name,
    state: "pending",
    runs: stage.runs,
    why: stage.why,
    after: stage.after ?? [],
    config: stage.config ?? {},
    cacheKey: stage.cacheKey ?? null,
    attempt: 0,
    worker: null,
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

const isAtWork = ({ state }: Stage): boolean => ["running", "waiting", "retrying"].includes(state)

/** The stages of a process that is gone. */
const interrupted = (stages: ReadonlyArray<Stage>): ReadonlyArray<Stage> =>
  stages.map((stage) => (isAtWork(stage) ? { ...stage, state: "interrupted" } : stage))

const measure = (
  metrics: ReadonlyArray<Metric>,
  stage: string,
  { seconds, step }: { readonly step: number; readonly seconds: number },
  { best, name, unit, value }: MetricValue
): ReadonlyArray<Metric> => {
  const point = { step, value, seconds }
  const before = metrics.find((metric) => metric.name === name && metric.stage === stage)
  const metric: Metric = {
    stage,
    name,
    unit: unit ?? null,
    step,
    value,
    best: best === true ? point : (before?.best ?? null),
    points: addPoint(before?.points ?? [], point)
  }
  if (before !== undefined) return metrics.map((other) => (other === before ? metric : other))
  const after = metrics.findLastIndex((other) => other.stage === stage)
  return after === -1 ? [...metrics, metric] : metrics.toSpliced(after + 1, 0, metric)
}

const reduceStageEvent = (status: RunState, at: string, stage: string, event: StageEvent): RunState => {
  switch (event.type) {
    case "Progress":
      return changeStage(status, stage, ({ startedAt }) => {
        const rate = event.done / Math.max(secondsBetween(startedAt ?? at, at), 1e-3)
        const estimate =
          event.total === undefined || event.done <= 0 ? null : Math.max(0, event.total - event.done) / rate
        const { doing = null, done, total = null, unit } = event
        return { progress: { doing, done, total, unit }, secondsLeft: event.secondsLeft ?? estimate }
      })
    case "Metric": {
      const when = { step: event.step, seconds: secondsBetween(status.startedAt, at) }
      const metrics = event.metrics.reduce((all, value) => measure(all, stage, when, value), status.metrics)
      return { ...status, metrics }
    }
    case "Sample": {
      const { completion, prompt, step } = event
      return { ...status, samples: append(status.samples, { stage, step, prompt, completion }) }
    }
    case "Saved": {
      const { best, bytes, directory, step } = event
      // What is saved again, after the stage went back to an earlier step, replaces the earlier one.
      const others = status.saved.filter((saved) => saved.directory !== directory)
      return addEntry(
        { ...status, saved: append(others, { at, stage, step, directory, best, bytes }) },
        at,
        stage,
        `Saved at step ${step}${best ? ", the best so far" : ""}`
      )
    }
    case "Resumed": {
      const { directory, skipped, step } = event
      const broken = skipped.length === 0 ? "" : `, ${skipped.length} broken passed over`
      return addEntry(
        { ...status, resumed: { step, directory } },
        at,
        stage,
        `Resumed from step ${step}${broken}`
      )
    }
    case "Gate": {
      const others = status.gates.filter((gate) => gate.gate !== event.gate || gate.stage !== stage)
      return { ...status, gates: [...others, { ...event, stage }] }
    }
    case "Fault":
      return addEntry(
        { ...status, faults: append(status.faults, { ...event, at, stage }) },
        at,
        stage,
        `${event.message}: ${event.action}`
      )
    case "Note":
      return event.level === "warning"
        ? { ...status, warnings: append(status.warnings, { at, stage, text: event.message }) }
        : status
    case "Facts":
      return changeStage(status, stage, ({ facts }) => ({ facts: withFacts(facts, event.facts) }))
  }
}

const waitFor = (status: RunState, at: string, event: EventOf<"StageWaiting">): RunState => {
  const { hint, holder, reason, stage } = event
  const what = reason === "turn" ? `its turn to compute, after ${holder}` : holder
  const waiting = changeStage(status, stage, () => ({ state: "waiting", message: `waits for ${what}` }))
  const warnings =
    hint === undefined
      ? waiting.warnings
      : append(waiting.warnings, { at, stage, text: `Waits for ${what}. ${hint}` })
  return addEntry({ ...waiting, warnings }, at, stage, `Waits for ${what}`)
}

const finishStage = (status: RunState, at: string, event: EventOf<"StageFinished">): RunState =>
  changeStage(status, event.stage, (stage) => ({
    state: event.status,
    startedAt: stage.startedAt ?? at,
    finishedAt: at,
    seconds: event.seconds,
    secondsLeft: null,
    directory: event.directory,
    cacheKey: event.cacheKey ?? stage.cacheKey,
    message: event.status === "failed" ? stage.message : null
  }))

const finishRun = (status: RunState, event: EventOf<"RunFinished">): RunState => ({
  ...status,
  state: event.status,
  stages: status.stages.map((stage) => {
    const summary = event.stages.find(({ name }) => name === stage.name)
    return stage.finishedAt !== null || summary === undefined
      ? stage
      : { ...stage, state: summary.status, directory: event.artifacts[stage.name] ?? null }
  })
})

const reduceEvent = (status: RunState, { at, event, run }: RunEvent): RunState => {
  switch (event.type) {
    case "RunStarted":
      return start(at, run, event)
    case "StageStarted":
      return addEntry(
        changeStage(status, event.stage, ({ startedAt }) => ({
          state: "running",
          attempt: event.attempt,
          worker: event.worker ?? null,
          startedAt: startedAt ?? at,
          progress: null,
          secondsLeft: null,
          message: null,
          facts: []
        })),
        at,
        event.stage,
        `${event.attempt === 1 ? `Started: ${event.why}` : `Attempt ${event.attempt}`}${event.worker === undefined ? "" : `, on ${event.worker}`}`
      )
    case "StageWaiting":
      return waitFor(status, at, event)
    case "StageRetried": {
      const { attempt, message, stage } = event
      const retrying = changeStage(status, stage, () => ({ state: "retrying", message }))
      const retried = append(status.retried, { at, stage, attempt, message })
      return addEntry(
        { ...retrying, retries: status.retries + 1, retried },
        at,
        stage,
        `Will be tried again: ${message}`
      )
    }
    case "StageFinished":
      return addEntry(finishStage(status, at, event), at, event.stage, event.status)
    case "Health": {
      const { type: _, ...health } = event
      const peakResidentBytes = Math.max(status.health?.peakResidentBytes ?? 0, event.residentBytes)
      const { cpu, heapBytes, residentBytes } = event
      const seconds = secondsBetween(status.startedAt, at)
      const healthCurve = addHealth(status.healthCurve, { seconds, residentBytes, heapBytes, cpu })
      return { ...status, health: { at, ...health, peakResidentBytes }, healthCurve }
    }
    case "Failure": {
      const { error, message, stage } = event
      const failed = stage === null ? status : changeStage(status, stage, () => ({ message }))
      const failures = append(status.failures, { at, stage, error, message })
      return addEntry({ ...failed, failures }, at, stage, message)
    }
    case "Comparison": {
      const { type: _, ...comparison } = event
      return { ...status, comparisons: [...status.comparisons, comparison] }
    }
    case "RunFinished":
      return addEntry(finishRun(status, event), at, null, `Run ${event.status}`)
    case "RunStopped":
      return addEntry(
        { ...status, state: "interrupted", stoppedAtOnce: true, stages: interrupted(status.stages) },
        at,
        null,
        "Stopped at once by a second signal: what was not saved is lost"
      )
    case "Stage":
      return reduceStageEvent(status, at, event.stage, event.event)
  }
}

const nextOfRunning = ({ stages }: RunState): string => {
  const active = stages.filter(isAtWork).map(({ name }) => name)
  const ahead = stages.filter(({ runs, state }) => state === "pending" && runs).map(({ name }) => name)
  if (active.length === 0)
    return ahead.length === 0 ? "The run is about to finish." : `${ahead[0]} is about to start.`
  const then = ahead.length === 0 ? "then the run is done" : `then ${ahead.join(", ")}`
  return `${active.join(" and ")} ${active.length === 1 ? "goes" : "go"} on, ${then}.`
}

/** What comes next, in one sentence. */
const nextOf = (status: RunState): string => {
  switch (status.state) {
    case "succeeded":
      return "Nothing: the run is done."
    case "interrupted":
      return "Run it again: finished stages are reused, and unfinished work resumes from what was saved."
    case "crashed":
      return "Its process is gone. Run it again: finished stages are reused, and unfinished work resumes from what was saved."
    case "failed":
      return status.failures.some(({ error }) => error !== "GateFailed")
        ? "Fix what failed and run it again: finished stages are reused."
        : "A gate was not passed: improve the result or relax the gate. The artifacts are kept."
    case "running":
      return nextOfRunning(status)
  }
}

/** Estimated seconds until the running stages are done; null when none has an estimate. */
const secondsLeftOf = ({ stages, state }: RunState): number | null => {
  if (state !== "running") return null
  if (stages.length > 0 && stages.every((stage) => ["ran", "cached", "skipped"].includes(stage.state)))
    return 0
  const known = stages.flatMap((stage) =>
    stage.state === "running" && stage.secondsLeft !== null ? [stage.secondsLeft] : []
  )
  return known.length === 0 ? null : Math.max(...known)
}

/** The status after one more event. */
export const reduce = (status: RunStatus, event: RunEvent): RunStatus => {
  const reduced = reduceEvent(status, event)
  const timed: RunStatus = {
    ...reduced,
    updatedAt: event.at,
    seconds:
      event.event.type === "RunFinished" ? event.event.seconds : secondsBetween(reduced.startedAt, event.at)
  }
  return { ...timed, secondsLeft: secondsLeftOf(timed), next: nextOf(timed) }
}

/**
 * The status that events add up to.
 *
 * @param alive whether the run's process still exists; a run that is neither alive nor finished has crashed
 */
export const of = (events: Iterable<RunEvent>, alive = true): RunStatus => {
  let status = empty
  for (const event of events) status = reduce(status, event)
  return alive ? status : crashed(status)
}

/** The status of a run whose process is gone: a running one has crashed, another keeps its state. */
export const crashed = (status: RunStatus): RunStatus => {
  if (status.state !== "running") return status
  const gone: RunStatus = { ...status, state: "crashed", stages: interrupted(status.stages) }
  return { ...gone, secondsLeft: null, next: nextOf(gone) }
}

/**
 * Whether a run's process may still be running. A process of this machine is looked up. One of another machine counts as running until its
 * log, which gets a line every few seconds, has been silent for a day; so does one whose log, of an older version, names no machine.
 */
export const isAlive = Effect.fnUntraced(function* (status: RunStatus) {
  if (status.process <= 0) return false
  const seen =
    status.owner === null && (yield* Processes.mayHaveStarted(status.process, Date.parse(status.startedAt)))
  if (seen) return true
  const owner = status.owner ?? { host: "", machine: "", pid: status.process, started: "0" }
  return !(yield* Processes.isGone(owner, Date.parse(status.updatedAt)))
})
