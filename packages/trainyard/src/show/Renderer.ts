/**
 * Shows a run as it goes on: a reader of the event stream and nothing more. On a terminal, lines that stay with live bars under them;
 * elsewhere plain lines, with steps and progress thinned so that a log stays a log.
 */
import type { RunEvent, StageEvent } from "@trainyard/core/RunEvent"
import { Effect } from "effect"
import { Block } from "./Block.ts"
import { bytes, count, duration, figure, loss } from "./format.ts"
import { linesOf, progressText } from "./lines.ts"
import { barLine, pad, type Screen } from "./Screen.ts"

export interface Renderer {
  readonly show: (event: RunEvent) => Effect.Effect<void>
}

type Moving = Extract<StageEvent, { type: "Step" | "Progress" }>

const isMoving = (event: StageEvent): event is Moving => event.type === "Step" || event.type === "Progress"

/** Seconds between two lines about the same stage's steps or progress in a log. */
const quiet = 10

/** Plain lines: for pipes, files and terminals without cursor movement. */
const plain = (screen: Screen): Renderer => {
  let nameWidth = 0
  const last = new Map<string, number>()
  const held = new Map<string, RunEvent>()
  const write = (event: RunEvent) => {
    for (const line of linesOf(screen, nameWidth, event)) screen.write(`${line}\n`)
  }
  const show = (entry: RunEvent) => {
    const { event } = entry
    if (event.type === "RunStarted") nameWidth = Math.max(...event.stages.map(({ name }) => name.length), 0)
    if (event.type === "Stage" && isMoving(event.event)) {
      const now = Date.parse(entry.at) / 1000
      const before = last.get(event.stage)
      // A clock that was set back silences nothing.
      if (before !== undefined && now >= before && now - before < quiet) {
        held.set(event.stage, entry)
        return
      }
      // The first says nothing yet; it only starts the clock.
      last.set(event.stage, now)
      held.delete(event.stage)
      if (before !== undefined) write(entry)
      return
    }
    // The last step comes before the facts about them all.
    const closes = event.type === "StageFinished" || (event.type === "Stage" && event.event.type === "Facts")
    if (closes) {
      const latest = held.get(event.stage)
      held.delete(event.stage)
      if (latest !== undefined) write(latest)
      if (event.type === "StageFinished") last.delete(event.stage)
    }
    write(entry)
  }
  return { show: (event) => Effect.sync(() => show(event)) }
}

interface Active {
  readonly since: number
  moving: Moving | undefined
  validation: string | undefined
  /** What it waits for before it starts. */
  readonly waiting?: string
}

const spinner = ["|", "/", "-", "\\"]

const liveLine = (screen: Screen, nameWidth: number, stage: string, active: Active, now: number): string => {
  const name = screen.style("cyan", pad(stage, nameWidth))
  const elapsed = (now - active.since) / 1000
  const turning = spinner[Math.floor(now / 250) % spinner.length]
  const { moving, waiting } = active
  if (waiting !== undefined) return `${name}  ${turning} waits for ${waiting}  ${duration(elapsed)}`
  if (moving === undefined) return `${name}  ${turning} ${duration(elapsed)}`
  const withBar = (share: number, parts: ReadonlyArray<string>) =>
    barLine(
      screen,
      `${name} `,
      share,
      [`${String(Math.floor(100 * share)).padStart(3)} %`, ...parts],
      screen.columns() - 1
    )
  if (moving.type === "Step") {
    return withBar(moving.step / Math.max(1, moving.steps), [
      `${duration(moving.secondsLeft)} left`,
      `loss ${loss(moving.loss)}`,
      ...(active.validation === undefined ? [] : [`validation ${active.validation}`]),
      `step ${count(moving.step)}/${count(moving.steps)}`,
      `${figure(moving.tokensPerSecond)} tokens/s`
    ])
  }
  if (moving.total === undefined || moving.total <= 0) {
    const each = moving.done / Math.max(0.1, elapsed)
    const rate = moving.unit === "bytes" ? bytes(each) : figure(each)
    return `${name}  ${turning} ${progressText(moving)}  ${rate}/s  ${duration(elapsed)}`
  }
  const done = moving.done / moving.total
  const left = done > 0.02 ? [`${duration((elapsed / done) * (1 - done))} left`] : []
  return withBar(done, [...left, progressText(moving)])
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
      active.set(event.stage, { since: performance.now(), moving: undefined, validation: undefined, waiting })
    }
    if (event.type === "StageStarted") {
      active.set(event.stage, { since: performance.now(), moving: undefined, validation: undefined })
    }
    if (event.type === "StageFinished") active.delete(event.stage)
    if (event.type === "Stage") {
      const state = active.get(event.stage)
      // The timer below draws these; drawing each would cost more than some stages do.
      if (isMoving(event.event)) {
        if (state !== undefined) state.moving = event.event
        return
      }
      if (event.event.type === "Evaluation" && state !== undefined) {
        state.validation = loss(event.event.loss)
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

/** A renderer for a screen. Closing the scope takes the live bars away and leaves the lines. */
export const make = (screen: Screen) => (screen.live ? live(screen) : Effect.sync(() => plain(screen)))
