/** A run on one screen: stages, metrics and their curve, health, samples, the latest of the timeline. Lines only; it fits any size. */
import type { RunStatus, Stage } from "@trainyard/core/RunStatus"
import * as Sanitize from "@trainyard/core/Sanitize"
import { curve } from "./curve.ts"
import { bytes, count, duration, metric, metricValue, oneLine } from "./format.ts"
import { barLine, cut, type Screen, type Style, width } from "./Screen.ts"
import { currentMetrics, placeOf, progressOf, secondsOf, titleOf } from "./StatusPage.ts"

const stateStyle: Record<Stage["state"], Style> = {
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

const stateMark: Record<Stage["state"], string> = {
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
const depths = (stages: ReadonlyArray<Stage>): ReadonlyMap<string, number> => {
  const found = new Map<string, number>()
  for (const stage of stages) {
    found.set(stage.name, Math.max(0, ...stage.after.map((name) => (found.get(name) ?? -1) + 1)))
  }
  return found
}

const percent = (stage: Stage): string => {
  const { progress } = stage
  return stage.state === "running" && progress !== null && progress.total !== null && progress.total > 0
    ? ` ${Math.floor((100 * progress.done) / progress.total)}%`
    : ""
}

/** The graph in rows: stages that may run at the same time stand side by side, an arrow leads on. */
const graph = (screen: Screen, status: RunStatus, columns: number): ReadonlyArray<string> => {
  const levels: Array<Array<string>> = []
  const depth = depths(status.stages)
  for (const stage of status.stages) {
    const at = depth.get(stage.name) ?? 0
    const text = `${stage.name}${stateMark[stage.state]}${percent(stage)}`
    levels[at] = [...(levels[at] ?? []), screen.style(stateStyle[stage.state], text)]
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
  return `${screen.style("bold", status.pipeline)} ${screen.style(style, titleOf(status))}  ${duration(status.seconds)}${left}  ${status.backend}`
}

const activity = (screen: Screen, status: RunStatus, columns: number): ReadonlyArray<string> =>
  status.stages
    .filter(({ state }) => state === "running" || state === "waiting" || state === "retrying")
    .map((stage) => {
      const { message, name, progress, secondsLeft } = stage
      const time =
        secondsLeft === null ? duration(secondsOf(stage, status) ?? 0) : `${duration(secondsLeft)} left`
      const head = `${screen.style("cyan", name)}${placeOf(stage)}`
      const parts = [time, progressOf(stage), ...(message === null ? [] : [message])].filter(
        (part) => part !== ""
      )
      return progress === null || progress.total === null || progress.total <= 0
        ? [head, ...parts].join("  ")
        : barLine(screen, head, progress.done / progress.total, parts, columns)
    })

/** Texts in lines of at most `columns` characters, none of them broken. */
const flowed = (texts: ReadonlyArray<string>, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const text of texts) {
    const last = lines.at(-1)
    if (last !== undefined && width(last) + 2 + width(text) <= columns)
      lines[lines.length - 1] = `${last}  ${text}`
    else lines.push(text)
  }
  return lines
}

/** The newest metrics of the stage that publishes some, each with its best where it has one. */
const metrics = (status: RunStatus, columns: number): ReadonlyArray<string> =>
  flowed(
    currentMetrics(status).map((each) =>
      each.best === null
        ? metric(each)
        : `${metric(each)} (best ${metricValue(each.best.value)} at step ${count(each.best.step)})`
    ),
    columns
  )

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
  return flowed(parts, columns)
}

const samples = (status: RunStatus, columns: number): ReadonlyArray<string> => {
  const newest = status.samples.at(-1)?.step
  return status.samples
    .filter(({ step }) => step === newest)
    .map(({ completion, prompt }) => oneLine(prompt + completion, columns))
}

const timeline = (status: RunStatus): ReadonlyArray<string> =>
  [...status.timeline]
    .reverse()
    .map(
      ({ at, stage, text }) =>
        `${at.slice(11, 19)} ${stage === null ? "" : `${stage}: `}${oneLine(text, 200)}`
    )

/** The screen's lines, at most `rows` of at most `columns` characters. The curve and the timeline take the rows that are left. */
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
    ...metrics(status, columns),
    ...health(status, columns),
    ...(status.health?.leak == null ? [] : [screen.style("yellow", `warning: ${status.health.leak}`)]),
    ...status.faults
      .slice(-2)
      .map(({ action, message }) => screen.style("yellow", oneLine(`${message} ${action}`, columns))),
    ...status.failures.slice(-2).map(({ message }) => screen.style("red", oneLine(message, columns * 2)))
  ]
  const texts = samples(status, columns)
  const footer = [`Next: ${status.next}`, ...(hint === "" ? [] : [screen.style("gray", hint)])]
  let room = rows - fixed.length - footer.length
  const [first] = currentMetrics(status)
  const points = (first?.points ?? []).flatMap(({ step: x, value: y }) => (y === null ? [] : [{ x, y }]))
  const drawn = room >= 6 ? curve(screen, points, columns, Math.min(10, Math.floor(room / 2))) : []
  room -= drawn.length
  const shown = texts.slice(0, Math.max(0, Math.min(texts.length, Math.floor(room / 2))))
  room -= shown.length
  const latest = timeline(status).slice(0, Math.max(0, room)).reverse()
  return [...fixed, ...drawn, ...shown.map((line) => screen.style("gray", line)), ...latest, ...footer]
    .slice(0, rows)
    .map((line) => cut(line, columns))
}
