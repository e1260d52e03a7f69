/** The state of a run as a Markdown page: what stands, what moves, how it is, and what comes next. From the event log alone. */
import type { Phase, RunStatus } from "@trainyard/core/RunStatus"
import * as Sanitize from "@trainyard/core/Sanitize"
import type { Unfinished } from "@trainyard/core/Unfinished"
import * as ComparisonTable from "./ComparisonTable.ts"
import { amount, bytes, count, duration, figure, loss, oneLine, partOf } from "./format.ts"
import * as Resumable from "./Resumable.ts"

/** A cell of a Markdown table: no line breaks, no bars, nothing that steers the terminal. */
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

export const stateWord: Record<Phase["state"], string> = {
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

/** How far a phase is, while that says more than its state does. */
export const progressOf = ({ progress, state }: Phase): string => {
  if (progress === null || state === "ran" || state === "cached") return ""
  const { doing, done, total, unit } = progress
  const what = doing === null ? "" : `${doing} `
  if (total === null) return `${what}${amount(done, unit)}`
  const percent = total > 0 ? ` (${Math.floor((100 * done) / total)} %)` : ""
  return `${what}${partOf(done, total, unit)}${percent}`
}

/** Seconds that a phase has taken: known at its end, counted up to the last event before that. */
export const secondsOf = (phase: Phase, status: RunStatus): number | null =>
  phase.seconds ??
  (phase.startedAt === null
    ? null
    : Math.max(0, (Date.parse(status.updatedAt) - Date.parse(phase.startedAt)) / 1000))

const phases = (status: RunStatus) =>
  table(
    ["phase", "state", "time", "progress", "why"],
    status.phases.map((phase) => {
      const seconds = secondsOf(phase, status)
      const left = phase.secondsLeft === null ? "" : `, ${duration(phase.secondsLeft)} left`
      const attempt = phase.attempt > 1 ? ` (attempt ${phase.attempt})` : ""
      return [
        phase.name,
        `${stateWord[phase.state]}${attempt}`,
        seconds === null || phase.state === "cached" || phase.state === "skipped" ? "" : duration(seconds),
        `${progressOf(phase)}${left}`,
        phase.message ?? phase.why
      ]
    })
  )

const facts = (status: RunStatus) =>
  table(
    ["phase", "what", "figure"],
    status.phases.flatMap((phase) => phase.facts.map(({ label, text }) => [phase.name, label, text]))
  )

const configuration = (status: RunStatus) =>
  table(
    ["setting", "value"],
    status.phases.flatMap((phase) =>
      Object.entries(phase.config).map(([key, value]) => [
        `${phase.name}.${key}`,
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

/** Where training stands, a figure or two a line. */
export const progressLines = (status: RunStatus): ReadonlyArray<string> => {
  const { evaluations, training } = status
  if (training === null) return []
  const best = evaluations.filter((evaluation) => evaluation.best).at(-1)
  const last = evaluations.at(-1)
  return [
    `step ${count(training.step)} of ${count(training.steps)}, epoch ${training.epoch.toFixed(2)}`,
    `loss ${loss(training.loss)}, gradient norm ${training.gradientNorm === null ? "not finite" : figure(training.gradientNorm)}, learning rate ${training.learningRate.toExponential(2)}`,
    ...(last === undefined
      ? []
      : [
          `validation loss ${loss(last.loss)} at step ${count(last.step)}${
            best === undefined ? "" : `; best ${loss(best.loss)} at step ${count(best.step)}`
          }`
        ]),
    `${figure(training.tokensPerSecond)} tokens/s, ${figure(training.stepMilliseconds)} ms a step`,
    ...(status.resumed === null ? [] : [`went on from the checkpoint of step ${count(status.resumed.step)}`])
  ]
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

const checkpoints = (status: RunStatus) =>
  table(
    ["step", "saved", "size", "best", "folder"],
    status.checkpoints
      .slice(-6)
      .map(({ at, best, bytes: size, directory, step }) => [
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
    ["phase", "folder"],
    status.phases.flatMap(({ directory, name }) => (directory === null ? [] : [[name, directory]]))
  )

const timeline = (status: RunStatus): ReadonlyArray<string> => [
  ...status.timeline
    .slice(-20)
    .map(
      ({ at, stage, text }) => `- ${clock(at)} ${stage === null ? "" : `${stage}: `}${oneLine(text, 160)}`
    ),
  ...(status.secondsLeft === null || status.state !== "running"
    ? []
    : [`- about ${duration(status.secondsLeft)} left in what runs now`])
]

/** The run's state in words. */
export const titleOf = (status: RunStatus): string =>
  status.state === "crashed"
    ? "crashed (its process is gone)"
    : status.stoppedAtOnce
      ? "interrupted (twice: stopped at once)"
      : status.state

/** A run that has been silent for longer may have lost its machine. Health is told every few seconds. */
const silentMilliseconds = 5 * 60_000

/** Where the process is, and how long it has been silent, when that is long. */
const whereabouts = (status: RunStatus, now: number): ReadonlyArray<string> => {
  if (status.owner === null) return []
  const place = `Process ${status.process} on ${oneLine(status.owner.host, 80)}`
  const silent = now - Date.parse(status.updatedAt)
  return status.state === "running" && silent > silentMilliseconds
    ? [
        `${place}, silent for ${duration(silent / 1000)}. If that machine will not come back, start the same command on another: it resumes from the last checkpoint, and says which file to remove if it has to wait.`
      ]
    : [`${place}.`]
}

/** The page, line by line: the run's, and what waits in its workspace to be gone on with at a moment (milliseconds since 1970). */
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
    ...section("Phases", phases(status)),
    ...section(
      "Training",
      progressLines(status).map((line) => `- ${line}`)
    ),
    ...section("Problems", problems(status)),
    ...section("Parameters", parameters(status)),
    ...section("Comparison", ComparisonTable.markdown(status.comparisons)),
    ...section("Gates", gates(status)),
    ...section("Data and model", facts(status)),
    ...section("Samples", samples(status)),
    ...section("Health", health(status)),
    ...section("Checkpoints", checkpoints(status)),
    ...section("Artifacts", artifacts(status)),
    ...section("Configuration", configuration(status)),
    ...section("Timeline (UTC)", timeline(status)),
    ...section("Can be resumed", Resumable.markdown(waiting, now)),
    ...section("Next", [status.next])
  ].map(Sanitize.line)
}
