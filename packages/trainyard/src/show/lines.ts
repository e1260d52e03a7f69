/** Each run event as a line of text, or none: what stays on a terminal and in a log file. */
import type { RunEvent, StageEvent } from "@trainyard/core/RunEvent"
import * as Sanitize from "@trainyard/core/Sanitize"
import { amount, bytes, count, duration, figure, metric, oneLine, partOf } from "./format.ts"
import { pad, type Screen } from "./Screen.ts"

/** An error's message, which may be any text, with a full stop at its end. */
const sentence = (text: string): string => (/[.!?]\s*$/.test(text) ? text : `${text}.`)

export const progressText = ({
  doing,
  done,
  total,
  unit
}: Extract<StageEvent, { type: "Progress" }>): string =>
  oneLine(
    `${doing === undefined ? "" : `${doing} `}${total === undefined ? amount(done, unit) : partOf(done, total, unit)}`,
    200
  )

/** A stage's own event in words. Progress and frequent metrics are for the caller to thin out. */
const stageText = (screen: Screen, nameWidth: number, event: StageEvent): string | undefined => {
  switch (event.type) {
    case "Progress":
      return progressText(event)
    case "Note":
      return event.level === "warning" ? screen.style("yellow", `warning: ${event.message}`) : event.message
    case "Metric":
      return `step ${count(event.step)}: ${event.metrics
        .map((each) => `${metric(each)}${each.best === true ? " (the best so far)" : ""}`)
        .join(", ")}`
    case "Sample": {
      const head = event.step === null ? "sample: " : `sample at step ${count(event.step)}: `
      // On a terminal it keeps to one row.
      const room = screen.live ? Math.max(20, screen.columns() - nameWidth - 2 - head.length) : 100
      return screen.style("gray", `${head}${oneLine(event.prompt + event.completion, room)}`)
    }
    case "Saved":
      return screen.style(
        "gray",
        `saved at step ${count(event.step)} (${bytes(event.bytes)} in ${duration(event.seconds)})`
      )
    case "Resumed": {
      const broken = event.skipped.map(({ directory, why }) => ` Passed over ${directory}: ${why}.`).join("")
      return screen.style("yellow", `resumed from step ${count(event.step)} (${event.directory}).${broken}`)
    }
    case "Gate": {
      const relation = event.relation === "at-least" ? ">=" : "<="
      const value = event.value === null ? "not measured" : figure(event.value)
      const text = `gate ${event.gate}: ${value}, must be ${relation} ${figure(event.threshold)}: ${
        event.passed ? "passed" : "FAILED"
      }`
      return event.passed ? text : screen.style("red", text)
    }
    case "Fault":
      return screen.style("yellow", `${event.kind}: ${event.message} ${event.action}`)
    case "Facts":
      return undefined
  }
}

/** A line about a stage. */
export const stageLine = (screen: Screen, nameWidth: number, stage: string, text: string): string =>
  `${screen.style("cyan", pad(stage, nameWidth))}  ${text}`

/** The lines of an event, most often one. Names of stages are padded to `nameWidth`. */
export const linesOf = (screen: Screen, nameWidth: number, entry: RunEvent): ReadonlyArray<string> => {
  const { event } = Sanitize.deep(entry)
  const at = (stage: string, text: string) => stageLine(screen, nameWidth, stage, text)
  switch (event.type) {
    case "RunStarted":
      return [
        `${screen.style("bold", event.pipeline)}: ${event.stages.length} ${event.stages.length === 1 ? "stage" : "stages"}, workspace ${event.workspace}${
          event.backend === "" ? "" : `, engine ${event.backend}`
        }`
      ]
    case "StageStarted":
      return [at(event.stage, `${event.attempt > 1 ? `attempt ${event.attempt}` : "started"} (${event.why})`)]
    case "StageWaiting":
      return [
        at(
          event.stage,
          event.reason === "turn"
            ? `waits for its turn to compute, after ${event.holder} (--jobs sets how many compute at once)`
            : `waits for ${event.holder}, which is making the same artifact${event.hint === undefined ? "" : `. ${event.hint}`}`
        )
      ]
    case "StageRetried":
      return [
        at(
          event.stage,
          screen.style(
            "yellow",
            `attempt ${event.attempt - 1} failed: ${sentence(event.message)} Tries again in ${duration(event.delaySeconds)}.`
          )
        )
      ]
    case "StageFinished":
      switch (event.status) {
        case "ran":
          return [at(event.stage, screen.style("green", `done in ${duration(event.seconds)}`))]
        case "cached":
          return [at(event.stage, screen.style("green", "reused"))]
        case "skipped":
          return [at(event.stage, screen.style("gray", "left out"))]
        case "interrupted":
          return [at(event.stage, screen.style("yellow", `interrupted after ${duration(event.seconds)}`))]
        case "failed":
          return [at(event.stage, screen.style("red", `failed after ${duration(event.seconds)}`))]
      }
      return []
    case "Health":
      return event.leak === null ? [] : [screen.style("yellow", `warning: ${event.leak}`)]
    case "Failure":
      return [screen.style("red", `${event.stage === null ? "" : `${event.stage}: `}${event.message}`)]
    case "RunStopped":
      return []
    case "RunFinished":
      return event.status === "interrupted"
        ? [
            screen.style(
              "yellow",
              `interrupted after ${duration(event.seconds)}; the same command resumes from here (--force and --from would start over)`
            )
          ]
        : []
    case "Stage": {
      const text = stageText(screen, nameWidth, event.event)
      if (event.event.type === "Facts") {
        return event.event.facts.map(({ label, text }) => at(event.stage, `${label}: ${oneLine(text, 200)}`))
      }
      return text === undefined ? [] : [at(event.stage, text)]
    }
  }
}
