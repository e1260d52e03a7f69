/** The state of a run as a Markdown page: stages, metrics, problems, health, saved work, and what comes next. */
import type { Metric, RunStatus, Stage } from "@trainyard/core/RunStatus"
import * as Sanitize from "@trainyard/core/Sanitize"
import type { Unfinished } from "@trainyard/core/Unfinished"
import * as ComparisonTable from "./ComparisonTable.ts"
import { amount, bytes, count, duration, figure, metricValue, oneLine, partOf } from "./format.ts"
import * as Resumable from "./Resumable.ts"

/** A cell of a Markdown table, on one line and without bars. */
const cell = (text: string): string => oneLine(text, 160).replaceAll("|", "\\|")

const table = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> =>
  rows.length === 0
    ? []
    : [
        `| ${head.join(" | ")} |`,
        `| ${head.map(() => "---").join(" | ")} |`,
        ...rows.map((row) => `| ${row.map(cell).join(" | ")} |`)
      ]

const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : [`## ${title}`, "", ...lines, ""]

/** `18:20:17`, UTC. */
const clock = (at: string): string => at.slice(11, 19)

export const stateWord: Record<Stage["state"], string> = {
  pending: "to come",
  waiting: "waits",
  running: "running",
  retrying: "tries again",
  ran: "done",
  cached: "reused",
  skipped: "left out",
  failed: "FAILED",
  interrupted: "interrupted"
}

/** The worker that a stage is on, where it is one of several machines'. */
export const placeOf = ({ worker }: Stage): string => (worker === null ? "" : ` on ${worker}`)

/** How far a stage is, while that says more than its state does. */
export const progressOf = ({ progress, state }: Stage): string => {
  if (progress === null || state === "ran" || state === "cached") return ""
  const { doing, done, total, unit } = progress
  const what = doing === null ? "" : `${doing} `
  if (total === null) return `${what}${amount(done, unit)}`
  const percent = total > 0 ? ` (${Math.floor((100 * done) / total)} %)` : ""
  return `${what}${partOf(done, total, unit)}${percent}`
}

/** Seconds that a stage has taken: known at its end, counted up to the last event before that. */
export const secondsOf = (stage: Stage, status: RunStatus): number | null =>
  stage.seconds ??
  (stage.startedAt === null
    ? null
    : Math.max(0, (Date.parse(status.updatedAt) - Date.parse(stage.startedAt)) / 1000))

const stages = (status: RunStatus) =>
  table(
    ["stage", "state", "time", "progress", "why"],
    status.stages.map((stage) => {
      const seconds = secondsOf(stage, status)
      const left = stage.secondsLeft === null ? "" : `, ${duration(stage.secondsLeft)} left`
      const attempt = stage.attempt > 1 ? ` (attempt ${stage.attempt})` : ""
      return [
        stage.name,
        `${stateWord[stage.state]}${placeOf(stage)}${attempt}`,
        seconds === null || stage.state === "cached" || stage.state === "skipped" ? "" : duration(seconds),
        `${progressOf(stage)}${left}`,
        stage.message ?? stage.why
      ]
    })
  )

const facts = (status: RunStatus) =>
  table(
    ["stage", "what", "figure"],
    status.stages.flatMap((stage) => stage.facts.map(({ label, text }) => [stage.name, label, text]))
  )

const configuration = (status: RunStatus) =>
  table(
    ["setting", "value"],
    status.stages.flatMap((stage) =>
      Object.entries(stage.config).map(([key, value]) => [
        `${stage.name}.${key}`,
        JSON.stringify(value) ?? ""
      ])
    )
  )

const parameters = (status: RunStatus) =>
  table(
    ["parameter", "value", "from"],
    status.parameters.map(({ from, name, value }) => [
      name,
      value === undefined ? "" : JSON.stringify(value),
      from ?? "not given"
    ])
  )

const metrics = (status: RunStatus) =>
  table(
    ["stage", "metric", "value", "step", "best"],
    status.metrics.map(({ best, name, stage, step, unit, value }) => [
      stage,
      name,
      unit === null ? metricValue(value) : `${value === null ? metricValue(value) : figure(value)} ${unit}`,
      count(step),
      best === null ? "" : `${metricValue(best.value)} at step ${count(best.step)}`
    ])
  )

/** The metrics of the stage that published last: where the run is. */
export const currentMetrics = (status: RunStatus): ReadonlyArray<Metric> => {
  const active = status.stages.find(
    ({ name, state }) => state === "running" && status.metrics.some(({ stage }) => stage === name)
  )
  const stage = active?.name ?? status.metrics.at(-1)?.stage
  return status.metrics.filter((metric) => metric.stage === stage)
}

const samples = (status: RunStatus): ReadonlyArray<string> => {
  const newest = status.samples.at(-1)?.step
  return status.samples
    .filter(({ step }) => step === newest)
    .map(
      ({ completion, prompt, step }) =>
        `- ${step === null ? "" : `step ${count(step)}: `}\`${oneLine(prompt + completion, 110).replaceAll("`", "'")}\``
    )
}

const health = (status: RunStatus): ReadonlyArray<string> => {
  const now = status.health
  const crashed = status.state === "crashed" ? 1 : 0
  const hangs = status.faults.filter(({ kind }) => /hang|hung|watchdog/i.test(kind)).length
  return [
    ...table(
      [
        "process",
        "threads",
        "CPU",
        "memory",
        "peak memory",
        "heap",
        "open files",
        "retries",
        "faults",
        "hangs",
        "crashes"
      ],
      [
        [
          `${status.process}${status.state === "running" ? "" : status.state === "crashed" ? " (gone)" : " (ended)"}`,
          now?.threads == null ? "?" : String(now.threads),
          now === null ? "?" : `${Math.round(100 * now.cpu)} % of a core`,
          now === null ? "?" : bytes(now.residentBytes),
          now === null ? "?" : bytes(now.peakResidentBytes),
          now === null ? "?" : bytes(now.heapBytes),
          now?.openFiles == null ? "?" : String(now.openFiles),
          String(status.retries),
          String(status.faults.length),
          String(hangs),
          String(crashed)
        ]
      ]
    ),
    ...(now?.leak == null ? [] : ["", `Warning: ${now.leak}`])
  ]
}

const problems = (status: RunStatus): ReadonlyArray<string> => [
  ...status.failures.map(
    ({ at, message, stage }) => `- ${clock(at)} ${stage ?? "run"}: ${oneLine(message, 400)}`
  ),
  ...status.faults
    .slice(-10)
    .map(
      ({ action, at, message, stage }) => `- ${clock(at)} ${stage}: ${oneLine(`${message} ${action}`, 300)}`
    ),
  ...status.warnings
    .slice(-10)
    .map(({ at, stage, text }) => `- ${clock(at)} ${stage ?? "run"}: ${oneLine(text, 300)}`)
]

const saved = (status: RunStatus) =>
  table(
    ["stage", "step", "saved", "size", "best", "folder"],
    status.saved
      .slice(-6)
      .map(({ at, best, bytes: size, directory, stage, step }) => [
        stage,
        count(step),
        clock(at),
        bytes(size),
        best ? "yes" : "",
        directory
      ])
  )

const gates = (status: RunStatus) =>
  table(
    ["gate", "value", "threshold", "result"],
    status.gates.map(({ gate, passed, relation, threshold, value }) => [
      gate,
      value === null ? "not measured" : figure(value),
      `${relation === "at-least" ? "at least" : "at most"} ${figure(threshold)}`,
      passed ? "passed" : "FAILED"
    ])
  )

const artifacts = (status: RunStatus) =>
  table(
    ["stage", "folder"],
    status.stages.flatMap(({ directory, name }) => (directory === null ? [] : [[name, directory]]))
  )

const timeline = (status: RunStatus): ReadonlyArray<string> => [
  ...status.timeline
    .slice(-20)
    .map(
      ({ at, stage, text }) => `- ${clock(at)} ${stage === null ? "" : `${stage}: `}${oneLine(text, 160)}`
    ),
  ...(status.secondsLeft === null || status.state !== "running"
    ? []
    : [`- about ${duration(status.secondsLeft)} left in the running stages`])
]

/** The run's state in words. */
export const titleOf = (status: RunStatus): string =>
  status.state === "crashed"
    ? "crashed (its process is gone)"
    : status.stoppedAtOnce
      ? "interrupted (twice: stopped at once)"
      : status.state

/** A run that has been silent for longer may have lost its machine: a `Health` event comes every few seconds. */
const silentMilliseconds = 5 * 60_000

/** Where the process is, and how long it has been silent, when that is long. */
const whereabouts = (status: RunStatus, now: number): ReadonlyArray<string> => {
  if (status.owner === null) return []
  const place = `Process ${status.process} on ${oneLine(status.owner.host, 80)}`
  const silent = now - Date.parse(status.updatedAt)
  return status.state === "running" && silent > silentMilliseconds
    ? [
        `${place}, silent for ${duration(silent / 1000)}. If that machine will not come back, start the same command on another: it resumes from what was saved last, and names the file to remove if it has to wait.`
      ]
    : [`${place}.`]
}

/** The page, line by line: of the run, and of the unfinished work in its workspace, at a time (milliseconds since 1970). */
export const page = (
  given: RunStatus,
  waiting: ReadonlyArray<Unfinished> = [],
  now = Date.parse(given.updatedAt)
): ReadonlyArray<string> => {
  const status = Sanitize.deep(given)
  const since = `${status.startedAt.slice(0, 10)} ${clock(status.startedAt)} UTC`
  return [
    `# ${status.pipeline || "A run"}: ${titleOf(status)}`,
    "",
    `Run ${status.run}, started ${since}, ${duration(status.seconds)} long${
      status.state === "running" && status.secondsLeft !== null
        ? `, about ${duration(status.secondsLeft)} left`
        : ""
    }.`,
    ...(status.backend === "" ? [] : [`Engine: ${status.backend}.`]),
    `Workspace: ${status.workspace}.`,
    ...whereabouts(status, now),
    "",
    ...section("Stages", stages(status)),
    ...section("Metrics", [
      ...metrics(status),
      ...(status.resumed === null ? [] : ["", `Resumed from step ${count(status.resumed.step)}.`])
    ]),
    ...section("Problems", problems(status)),
    ...section("Parameters", parameters(status)),
    ...section("Comparison", ComparisonTable.markdown(status.comparisons)),
    ...section("Gates", gates(status)),
    ...section("Results", facts(status)),
    ...section("Samples", samples(status)),
    ...section("Health", health(status)),
    ...section("Saved work", saved(status)),
    ...section("Artifacts", artifacts(status)),
    ...section("Configuration", configuration(status)),
    ...section("Timeline (UTC)", timeline(status)),
    ...section("Can be resumed", Resumable.markdown(waiting, now)),
    ...section("Next", [status.next])
  ].map(Sanitize.line)
}
