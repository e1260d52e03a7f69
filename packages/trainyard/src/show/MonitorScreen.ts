/** A run on one screen: stages, loss curve, throughput, health, samples, latest moments. Lines only; it fits any size. */
import type { Phase, RunStatus } from "@trainyard/core/RunStatus"
import * as Sanitize from "@trainyard/core/Sanitize"
import { curve } from "./curve.ts"
import { bytes, count, duration, figure, loss, oneLine } from "./format.ts"
import { barLine, cut, type Screen, type Style, width } from "./Screen.ts"
import { progressOf, secondsOf } from "./StatusPage.ts"

const stateStyle: Record<Phase["state"], Style> = {
  pending: "gray",
  waiting: "yellow",
  running: "cyan",
  retrying: "yellow",
  ran: "green",
  cached: "green",
  skipped: "gray",
  failed: "red",
  interrupted: "yellow"
}

const stateMark: Record<Phase["state"], string> = {
  pending: "",
  waiting: " waits",
  running: "",
  retrying: " again",
  ran: " ok",
  cached: " reused",
  skipped: " left out",
  failed: " FAILED",
  interrupted: " cut off"
}

/** How many stages lie before a stage at least. */
const depths = (phases: ReadonlyArray<Phase>): ReadonlyMap<string, number> => {
  const found = new Map<string, number>()
  for (const phase of phases) {
    found.set(phase.name, Math.max(0, ...phase.after.map((name) => (found.get(name) ?? -1) + 1)))
  }
  return found
}

const percent = (phase: Phase): string => {
  const { progress } = phase
  return phase.state === "running" && progress !== null && progress.total !== null && progress.total > 0
    ? ` ${Math.floor((100 * progress.done) / progress.total)}%`
    : ""
}

/** The graph in rows: stages that may run at the same time stand side by side, an arrow leads on. */
const graph = (screen: Screen, status: RunStatus, columns: number): ReadonlyArray<string> => {
  const levels: Array<Array<string>> = []
  const depth = depths(status.phases)
  for (const phase of status.phases) {
    const at = depth.get(phase.name) ?? 0
    const text = `${phase.name}${stateMark[phase.state]}${percent(phase)}`
    levels[at] = [...(levels[at] ?? []), screen.style(stateStyle[phase.state], text)]
  }
  const arrow = screen.unicode ? " → " : " -> "
  const lines: Array<string> = []
  for (const level of levels) {
    const text = level.length === 1 ? level[0]! : `(${level.join(" | ")})`
    const last = lines.at(-1)
    if (last !== undefined && width(last) + width(arrow) + width(text) <= columns) {
      lines[lines.length - 1] = last + arrow + text
    } else lines.push(last === undefined ? text : `${arrow}${text}`)
  }
  return lines
}

const header = (screen: Screen, status: RunStatus): string => {
  const style = status.state === "running" ? "cyan" : status.state === "succeeded" ? "green" : "red"
  const left = status.secondsLeft === null ? "" : `, about ${duration(status.secondsLeft)} left`
  return `${screen.style("bold", status.pipeline)} ${screen.style(style, status.state)}  ${duration(status.seconds)}${left}  ${status.backend}`
}

const activity = (screen: Screen, status: RunStatus, columns: number): ReadonlyArray<string> =>
  status.phases
    .filter(({ state }) => state === "running" || state === "waiting" || state === "retrying")
    .map((phase) => {
      const { message, name, progress, secondsLeft } = phase
      const time =
        secondsLeft === null ? duration(secondsOf(phase, status) ?? 0) : `${duration(secondsLeft)} left`
      const head = screen.style("cyan", name)
      const parts = [time, progressOf(phase), ...(message === null ? [] : [message])].filter(
        (part) => part !== ""
      )
      return progress === null || progress.total === null || progress.total <= 0
        ? [head, ...parts].join("  ")
        : barLine(screen, head, progress.done / progress.total, parts, columns)
    })

const training = (status: RunStatus): ReadonlyArray<string> => {
  const step = status.training
  if (step === null) return []
  const evaluation = status.evaluations.at(-1)
  const best = status.evaluations.filter((each) => each.best).at(-1)
  const validation =
    evaluation === undefined
      ? ""
      : `  validation ${loss(evaluation.loss)}${best === undefined ? "" : ` (best ${loss(best.loss)} at step ${count(best.step)})`}`
  return [
    `loss ${loss(step.loss)}${validation}`,
    `${figure(step.tokensPerSecond)} tokens/s  ${figure(step.stepMilliseconds)} ms a step  step ${count(step.step)}/${count(step.steps)}  epoch ${step.epoch.toFixed(2)}`
  ]
}

const health = (status: RunStatus, columns: number): ReadonlyArray<string> => {
  const now = status.health
  const figures =
    now === null
      ? ["health not sampled yet"]
      : [
          `CPU ${Math.round(100 * now.cpu)}%`,
          `${bytes(now.residentBytes)} (peak ${bytes(now.peakResidentBytes)})`,
          ...(now.threads === null ? [] : [`threads ${now.threads}`]),
          ...(now.openFiles === null ? [] : [`files ${now.openFiles}`])
        ]
  const parts = [
    `process ${status.process}`,
    ...figures,
    `retries ${status.retries}`,
    `faults ${status.faults.length}`
  ]
  const lines: Array<string> = []
  for (const part of parts) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 2 + part.length <= columns)
      lines[lines.length - 1] = `${last}  ${part}`
    else lines.push(part)
  }
  return lines
}

const samples = (status: RunStatus, columns: number): ReadonlyArray<string> => {
  const newest = status.samples.at(-1)?.step
  return status.samples
    .filter(({ step }) => step === newest)
    .map(({ completion, prompt }) => oneLine(prompt + completion, columns))
}

const moments = (status: RunStatus): ReadonlyArray<string> =>
  [...status.timeline]
    .reverse()
    .map(
      ({ at, stage, text }) =>
        `${at.slice(11, 19)} ${stage === null ? "" : `${stage}: `}${oneLine(text, 200)}`
    )

/** The screen's lines, at most `rows` of at most `columns` characters. The curve and the latest moments take what room is left. */
export const compose = (
  screen: Screen,
  given: RunStatus,
  columns: number,
  rows: number,
  hint: string
): ReadonlyArray<string> => {
  const status = Sanitize.deep(given)
  const fixed = [
    header(screen, status),
    ...graph(screen, status, columns),
    ...activity(screen, status, columns),
    ...training(status),
    ...health(status, columns),
    ...(status.health?.leak == null ? [] : [screen.style("yellow", `warning: ${status.health.leak}`)]),
    ...status.failures.slice(-2).map(({ message }) => screen.style("red", oneLine(message, columns * 2)))
  ]
  const spoken = samples(status, columns)
  const footer = hint === "" ? [] : [screen.style("gray", hint)]
  let room = rows - fixed.length - footer.length
  const points = status.losses.flatMap(({ loss: y, step: x }) => (y === null ? [] : [{ x, y }]))
  const drawn = room >= 6 ? curve(screen, points, columns, Math.min(10, Math.floor(room / 2))) : []
  room -= drawn.length
  const shown = spoken.slice(0, Math.max(0, Math.min(spoken.length, Math.floor(room / 2))))
  room -= shown.length
  const latest = moments(status).slice(0, Math.max(0, room)).reverse()
  return [...fixed, ...drawn, ...shown.map((line) => screen.style("gray", line)), ...latest, ...footer]
    .slice(0, rows)
    .map((line) => cut(line, columns))
}
