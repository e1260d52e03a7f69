/** The state of a run at a glance: what `trainyard status --watch` draws again and again. It fits the terminal; the page has the rest. */
import type { RunStatus } from "@trainyard/core/RunStatus"
import * as Sanitize from "@trainyard/core/Sanitize"
import { bytes, count, duration, oneLine } from "./format.ts"
import { cut, type Screen, type Style, table } from "./Screen.ts"
import { progressLines, progressOf, secondsOf, stateWord, titleOf } from "./StatusPage.ts"

const stateStyle: Record<RunStatus["state"], Style> = {
  running: "cyan",
  succeeded: "green",
  failed: "red",
  interrupted: "yellow",
  crashed: "red"
}

const phases = (screen: Screen, status: RunStatus): ReadonlyArray<string> =>
  table(
    status.phases.map((phase) => {
      const seconds = secondsOf(phase, status)
      const reused = phase.state === "cached" || phase.state === "skipped"
      const left = phase.secondsLeft === null ? "" : `, ${duration(phase.secondsLeft)} left`
      return [
        screen.style("cyan", phase.name),
        stateWord[phase.state],
        seconds === null || reused ? "" : duration(seconds),
        phase.message === null ? `${progressOf(phase)}${left}` : oneLine(phase.message, 100)
      ]
    })
  )

const troubles = (screen: Screen, status: RunStatus): ReadonlyArray<string> => [
  ...status.failures.slice(-2).map(({ message }) => screen.style("red", oneLine(message, 200))),
  ...status.faults
    .slice(-2)
    .map(({ action, message }) => screen.style("yellow", oneLine(`${message} ${action}`, 200))),
  ...(status.health?.leak == null ? [] : [screen.style("yellow", `warning: ${status.health.leak}`)])
]

const health = ({ faults, health: now, retries, process }: RunStatus): string =>
  now === null
    ? `process ${process}, ${retries} retries, ${faults.length} faults`
    : [
        `process ${process}`,
        ...(now.threads === null ? [] : [`${now.threads} threads`]),
        `CPU ${Math.round(100 * now.cpu)} %`,
        bytes(now.residentBytes),
        ...(now.openFiles === null ? [] : [`${now.openFiles} files`]),
        `${retries} retries`,
        `${faults.length} faults`
      ].join(", ")

const saved = (status: RunStatus): ReadonlyArray<string> => {
  const last = status.checkpoints.at(-1)
  return last === undefined
    ? []
    : [`checkpoint of step ${count(last.step)}, ${bytes(last.bytes)}, at ${last.at.slice(11, 19)} UTC`]
}

const latest = (status: RunStatus): ReadonlyArray<string> =>
  status.timeline.map(
    ({ at, stage, text }) => `${at.slice(11, 19)} ${stage === null ? "" : `${stage}: `}${oneLine(text, 160)}`
  )

/** At most `rows` lines of at most `columns` characters. The newest moments take what room is left. */
export const glance = (
  screen: Screen,
  given: RunStatus,
  columns: number,
  rows: number
): ReadonlyArray<string> => {
  const status = Sanitize.deep(given)
  const left = status.secondsLeft === null ? "" : `, about ${duration(status.secondsLeft)} left`
  const title = screen.style(stateStyle[status.state], titleOf(status))
  const lines = [
    `${screen.style("bold", status.pipeline || "A run")} ${title}, ${duration(status.seconds)}${left}`,
    ...(status.backend === "" ? [] : [`engine ${status.backend}`]),
    ...phases(screen, status),
    ...progressLines(status),
    ...saved(status),
    health(status),
    ...troubles(screen, status)
  ]
  const closing = [
    screen.style("bold", `Next: ${status.next}`),
    screen.style("gray", "The whole page: trainyard status")
  ]
  const fixed = lines.slice(0, Math.max(1, rows - closing.length))
  const moments = latest(status).slice(-Math.max(1, rows - fixed.length - closing.length))
  const room = rows - fixed.length - closing.length
  return [...fixed, ...(room > 0 ? moments : []), ...closing].slice(0, rows).map((line) => cut(line, columns))
}
