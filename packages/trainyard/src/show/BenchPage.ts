/** What `trainyard bench` measured, as people read it: the figures, where a step's time goes, and what was left out. */
import type * as Bench from "@trainyard/backends/bench/Bench"
import { type Size, sizes } from "@trainyard/backends/bench/gpt"
import { figure, share } from "./format.ts"
import { table } from "./Screen.ts"

export type Line = Bench.Line
type Measured = Bench.Measurement
type Setting = Omit<Bench.Planned, "engine" | "what"> & { readonly engine: string }

const withThreads = (threads: number): string => `${threads} ${threads === 1 ? "thread" : "threads"}`

/** `native, f32, 2 threads`. */
export const settingText = ({ engine, precision, threads }: Setting): string =>
  `${engine}, ${precision}, ${withThreads(threads)}`

/** A line as it is measured, or none for what only a table makes readable. */
export const lineText = (line: Line): string | undefined =>
  "unavailable" in line
    ? `${line.engine}: ${line.unavailable}`
    : line.what === "operation"
      ? undefined
      : `${settingText(line)}, ${line.what}: ${figure(line.stepMilliseconds)} ms, at least ${figure(line.minimumMilliseconds)}`

const head = ["engine", "precision", "threads", "what", "ms", "±", "least", "tokens/s", "of peak"]
const numbers = new Set([2, 4, 5, 6, 7, 8])

/** Half of the median's interval, as a share of the median. */
const uncertainty = ({ highMilliseconds: high, lowMilliseconds: low, stepMilliseconds }: Measured): string =>
  `${((50 * (high - low)) / stepMilliseconds).toFixed(1)} %`

const cells = (line: Measured): ReadonlyArray<string> => [
  line.engine,
  line.precision,
  String(line.threads),
  line.what,
  figure(line.stepMilliseconds),
  uncertainty(line),
  figure(line.minimumMilliseconds),
  line.tokensPerSecond === null ? "" : figure(line.tokensPerSecond),
  line.shareOfPeak === null ? "" : share(line.shareOfPeak)
]

const legend = (size: Size): ReadonlyArray<string> => {
  const { batch, heads, layers, time, vocabulary, width } = sizes[size]
  return [
    `ms is the median of a training step, a product of ${batch * time}×${width} by ${width}×${3 * width}, or a`,
    "generated token; ± half of the median's 95 % interval. Rivals took turns. The",
    `model: ${width} wide, ${layers} layers, ${heads} heads, vocabulary ${figure(vocabulary)}, batch ${batch} of ${time}`,
    "tokens."
  ]
}

/** This machine's own peaks, each once. */
const peaks = (lines: ReadonlyArray<Measured>): ReadonlyArray<string> => {
  const said = lines.flatMap((line) =>
    "peakGflops" in line && line.peakGflops !== null
      ? [`${line.precision}, ${withThreads(line.threads)}: ${figure(line.peakGflops)}`]
      : []
  )
  return said.length === 0 ? [] : ["Measured peak, GFLOP/s:", ...new Set(said.map((text) => `  ${text}`))]
}

/** The sentence on what was disturbed, or nothing. */
const disturbance = (lines: ReadonlyArray<Measured>): ReadonlyArray<string> => {
  const taken = lines.flatMap((line) =>
    "othersProcessors" in line && (line.othersProcessors ?? 0) > 0 ? [line.othersProcessors ?? 0] : []
  )
  return taken.length === 0
    ? []
    : [
        `Other programs took up to ${figure(Math.max(...taken))} processors during ${taken.length} of ${lines.length}`,
        "measurements, and none was free: take the least times, or measure again with",
        "nothing else at work."
      ]
}

/** Rows of a table of operations when not all are asked for; the rest is summed. */
const mostOperations = 6

/** Where a step's time goes on one engine with one number of threads, a pair of columns for each precision. */
const operationTable = (
  times: ReadonlyArray<Bench.OperationTime>,
  steps: ReadonlyArray<Measured>,
  all: boolean
): ReadonlyArray<string> => {
  const precisions = [...new Set(times.map(({ precision }) => precision))]
  const most = new Map<string, number>()
  for (const { operation, share } of times) most.set(operation, Math.max(share, most.get(operation) ?? 0))
  const operations = [...most].sort(([, a], [, b]) => b - a).map(([operation]) => operation)
  const shown =
    all || operations.length <= mostOperations + 1 ? operations : operations.slice(0, mostOperations)
  const row = (name: string, holds: (operation: string) => boolean) => [
    name,
    ...precisions.flatMap((precision) => {
      const held = times.filter((time) => time.precision === precision && holds(time.operation))
      if (held.length === 0) return ["", ""]
      const sum = (of: (time: Bench.OperationTime) => number) =>
        held.reduce((total, time) => total + of(time), 0)
      return [figure(sum(({ milliseconds }) => milliseconds)), share(sum(({ share }) => share))]
    })
  ]
  const left = operations.length - shown.length
  const whole = precisions.flatMap((precision) => {
    const step = steps.find((each) => each.precision === precision)
    return [step === undefined ? "" : figure(step.stepMilliseconds), ""]
  })
  const { engine, threads } = times[0]!
  return [
    `Where a training step's time goes: ${engine}, ${withThreads(threads)}`,
    ...table(
      [
        ["operation", ...precisions.flatMap((precision) => [`${precision} ms`, "share"])],
        ...shown.map((operation) => row(operation, (each) => each === operation)),
        ...(left === 0 ? [] : [row(`${left} others`, (each) => !shown.includes(each))]),
        ["the step", ...whole]
      ],
      new Set(precisions.flatMap((_, index) => [2 * index + 1, 2 * index + 2]))
    )
  ]
}

/** A table for each engine at its highest number of threads, or for all that was measured. */
const operationTables = (lines: ReadonlyArray<Line>, all: boolean): ReadonlyArray<string> => {
  const times = lines.filter(
    (line): line is Bench.OperationTime => "what" in line && line.what === "operation"
  )
  const steps = measuredOf(lines).filter(({ what }) => what === "train-step")
  const engines = [...new Set(times.map(({ engine }) => engine))]
  return engines.flatMap((engine) => {
    const its = times.filter((time) => time.engine === engine)
    const counts = [...new Set(its.map(({ threads }) => threads))].sort((a, b) => a - b)
    return (all ? counts : counts.slice(-1)).flatMap((threads) => {
      const alike = (line: Setting) => line.engine === engine && line.threads === threads
      return ["", ...operationTable(its.filter(alike), steps.filter(alike), all)]
    })
  })
}

/** How fast each engine is beside each rival, where both were measured alike: medians, and the ratios that their intervals allow. */
const ratios = (lines: ReadonlyArray<Measured>): ReadonlyArray<string> =>
  lines.flatMap((theirs) =>
    theirs.version === undefined
      ? []
      : lines.flatMap((ours) => {
          const alike =
            ours.what === theirs.what &&
            ours.threads === theirs.threads &&
            ours.precision === theirs.precision
          if (!alike || ours.version !== undefined) return []
          const ratio = theirs.stepMilliseconds / ours.stepMilliseconds
          const least = theirs.lowMilliseconds / ours.highMilliseconds
          const most = theirs.highMilliseconds / ours.lowMilliseconds
          return [
            `${ours.engine} ${ours.precision} runs ${theirs.what} at ${figure(ratio)} times (${figure(least)} to ${figure(most)}) the speed of ${theirs.engine} ${theirs.version} with ${withThreads(theirs.threads)}`
          ]
        })
  )

const measuredOf = (lines: ReadonlyArray<Line>): ReadonlyArray<Measured> =>
  lines.filter((line): line is Measured => "stepMilliseconds" in line)

/** The page of what was measured with a model of this size; `all` has every operation and number of threads. */
export const page = (
  lines: ReadonlyArray<Line>,
  { all, size }: { readonly all: boolean; readonly size: Size }
): ReadonlyArray<string> => {
  const measured = measuredOf(lines)
  const compared = ratios(measured)
  const absent = lines.flatMap((line) => ("unavailable" in line ? [lineText(line) ?? ""] : []))
  const parts = [
    ...(measured.length === 0
      ? []
      : [
          table([head, ...measured.map(cells)], numbers),
          legend(size),
          peaks(measured),
          disturbance(measured)
        ]),
    operationTables(lines, all).slice(1),
    compared,
    absent
  ]
  return parts.filter((part) => part.length > 0).flatMap((part) => ["", ...part])
}

/** What of a plan was not measured, from its `done`th measurement on: engines, settings or single measurements. */
export const unmeasured = (
  plan: ReadonlyArray<Bench.Planned>,
  done: number,
  others: ReadonlyArray<string> = []
): string => {
  const left = plan.slice(done)
  const groups = (of: (each: Bench.Planned) => string, from: ReadonlyArray<Bench.Planned>) =>
    Map.groupBy(from, of)
  const whole = groups(({ engine }) => engine, plan)
  const names = [...groups(({ engine }) => engine, left)].flatMap(([engine, its]) =>
    its.length === whole.get(engine)?.length
      ? [engine]
      : [...groups(settingText, its)].map(
          ([setting, ones]) => `${setting} (${ones.map(({ what }) => what).join(", ")})`
        )
  )
  return [...names, ...others].join("; ")
}
