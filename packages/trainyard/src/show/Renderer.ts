/**
 * Shows a run while it runs, from its events alone. On a terminal, lines that stay with live bars under them; elsewhere plain lines, with
 * progress and frequent metrics thinned out so that a log stays short.
 */
import type { RunEvent, StageEvent } from "@trainyard/core/RunEvent"
import { Effect } from "effect"
import { Block } from "./Block.ts"
import { bytes, duration, figure, metric } from "./format.ts"
import { linesOf, progressText, stageLine } from "./lines.ts"
import { barLine, pad, type Screen } from "./Screen.ts"

export interface Renderer {
  readonly show: (event: RunEvent) => Effect.Effect<void>
}

type Metric = Extract<StageEvent, { type: "Metric" }>
type Progress = Extract<StageEvent, { type: "Progress" }>

/** What a stage publishes many times: the newest of each kind is enough to show. */
interface Newest {
  progress?: Progress
  metrics?: Metric["metrics"]
  /** Whether all of it has been written. */
  written?: boolean
}

/** Whether the event is one of many, of which only the newest is shown; keeps it in `newest` then. */
const kept = (newest: Newest, event: StageEvent): boolean => {
  if (event.type === "Progress") newest.progress = event
  else if (event.type === "Metric" && event.frequent === true) newest.metrics = event.metrics
  else return false
  newest.written = false
  return true
}

/** Metrics that fit into a line; the first ones matter most. */
const metricsInLine = 2

/** `960 of 1,600 steps, loss 3.033, 3,772 tokens/s, 1 min 30 s left`. */
const newestText = ({ metrics = [], progress }: Newest): string =>
  [
    ...(progress === undefined ? [] : [progressText(progress)]),
    ...metrics.slice(0, metricsInLine).map(metric),
    ...(progress?.secondsLeft === undefined || progress.done === progress.total
      ? []
      : [`${duration(progress.secondsLeft)} left`])
  ].join(", ")

/** Seconds between two lines about the same stage's progress in a log. */
const secondsBetweenLines = 10

/** Plain lines: for pipes, files and terminals without cursor movement. */
const plain = (screen: Screen): Renderer => {
  let nameWidth = 0
  const started = new Set<string>()
  const writtenAt = new Map<string, number>()
  const waiting = new Map<string, Newest>()
  const flush = (stage: string) => {
    const newest = waiting.get(stage)
    if (newest === undefined || newest.written === true) return
    newest.written = true
    screen.write(`${stageLine(screen, nameWidth, stage, newestText(newest))}\n`)
  }
  /** Whether the event is to be thinned out; the first only starts the clock. */
  const thinned = (at: string, stage: string, event: StageEvent): boolean => {
    const newest = waiting.get(stage) ?? {}
    if (!kept(newest, event)) return false
    const now = Date.parse(at) / 1000
    const before = writtenAt.get(stage)
    if (before === undefined) {
      writtenAt.set(stage, now)
      return true
    }
    waiting.set(stage, newest)
    // A clock that was set back must not silence the stage.
    const isDue = now < before || now - before >= secondsBetweenLines
    // A stage that has both publishes a step's metrics before its progress.
    if (isDue && (event.type === "Progress" || newest.progress === undefined)) {
      writtenAt.set(stage, now)
      flush(stage)
    }
    return true
  }
  const show = (entry: RunEvent) => {
    const { at, event } = entry
    if (event.type === "RunStarted") nameWidth = Math.max(...event.stages.map(({ name }) => name.length), 0)
    if (event.type === "StageStarted") started.add(event.stage)
    if (event.type === "Stage" && thinned(at, event.stage, event.event)) return
    const isFacts = event.type === "Stage" && event.event.type === "Facts"
    // Facts of a reused artifact are for the status.
    if (isFacts && !started.has(event.stage)) return
    // The last progress comes before the facts of the whole.
    if (isFacts || event.type === "StageFinished") flush(event.stage)
    if (event.type === "StageFinished") {
      writtenAt.delete(event.stage)
      waiting.delete(event.stage)
    }
    for (const line of linesOf(screen, nameWidth, entry)) screen.write(`${line}\n`)
  }
  return { show: (event) => Effect.sync(() => show(event)) }
}

interface Active {
  readonly since: number
  readonly newest: Newest
  /** The newest metrics that a stage chooses by. */
  chosenBy: Metric["metrics"]
  /** What it waits for before it starts. */
  readonly waiting?: string
}

const spinner = ["|", "/", "-", "\\"]

const liveLine = (screen: Screen, nameWidth: number, stage: string, active: Active, now: number): string => {
  const name = screen.style("cyan", pad(stage, nameWidth))
  const elapsed = (now - active.since) / 1000
  const turning = spinner[Math.floor(now / 250) % spinner.length]
  const { chosenBy, newest, waiting } = active
  const { metrics = [], progress } = newest
  if (waiting !== undefined) return `${name}  ${turning} waits for ${waiting}  ${duration(elapsed)}`
  const [first, ...others] = metrics.map(metric)
  const figures = [...(first === undefined ? [] : [first]), ...chosenBy.map(metric)]
  if (progress === undefined) return [`${name}  ${turning} ${duration(elapsed)}`, ...figures].join("  ")
  if (progress.total === undefined || progress.total <= 0) {
    const perSecond = progress.done / Math.max(0.1, elapsed)
    const rate = progress.unit === "bytes" ? bytes(perSecond) : figure(perSecond)
    return [
      `${name}  ${turning} ${progressText(progress)}  ${rate}/s  ${duration(elapsed)}`,
      ...figures
    ].join("  ")
  }
  const done = progress.done / progress.total
  const left = progress.secondsLeft ?? (done > 0.02 ? (elapsed / done) * (1 - done) : undefined)
  return barLine(
    screen,
    `${name} `,
    done,
    [
      `${String(Math.floor(100 * done)).padStart(3)} %`,
      ...(left === undefined ? [] : [`${duration(left)} left`]),
      ...figures,
      progressText(progress),
      ...others
    ],
    screen.columns() - 1
  )
}

const live = Effect.fnUntraced(function* (screen: Screen) {
  const block = new Block(screen)
  const active = new Map<string, Active>()
  let nameWidth = 0
  let open = true
  const draw = (staying: ReadonlyArray<string> = []) => {
    const now = performance.now()
    block.draw(
      staying,
      [...active].map(([stage, state]) => liveLine(screen, nameWidth, stage, state, now))
    )
  }
  const show = (entry: RunEvent) => {
    const { event } = entry
    if (event.type === "RunStarted") nameWidth = Math.max(...event.stages.map(({ name }) => name.length), 0)
    if (event.type === "StageWaiting") {
      const waiting = event.reason === "turn" ? `its turn, after ${event.holder}` : event.holder
      active.set(event.stage, { since: performance.now(), newest: {}, chosenBy: [], waiting })
    }
    if (event.type === "StageStarted") {
      active.set(event.stage, { since: performance.now(), newest: {}, chosenBy: [] })
    }
    if (event.type === "StageFinished") active.delete(event.stage)
    if (event.type === "Stage") {
      const state = active.get(event.stage)
      // The timer below draws these; drawing each would cost more than some stages do.
      if (kept(state?.newest ?? {}, event.event)) return
      // Facts of a reused artifact are for the status.
      if (event.event.type === "Facts" && state === undefined) return
      if (event.event.type === "Metric" && state !== undefined) {
        const chosenBy = event.event.metrics.filter(({ best }) => best !== undefined)
        if (chosenBy.length > 0) state.chosenBy = chosenBy
      }
    }
    draw(linesOf(screen, nameWidth, entry))
  }
  yield* Effect.acquireRelease(
    // Signals are heard between timers and what is set as immediate: a change of size is known before the lines are drawn over.
    Effect.sync(() => setInterval(() => setImmediate(() => open && draw()), 125)),
    (timer) =>
      Effect.sync(() => {
        clearInterval(timer)
        open = false
        block.clear()
      })
  )
  return { show: (event: RunEvent) => Effect.sync(() => show(event)) }
})

/** A renderer for a screen. Closing the scope removes the live bars and leaves the lines. */
export const make = (screen: Screen) => (screen.live ? live(screen) : Effect.sync(() => plain(screen)))
