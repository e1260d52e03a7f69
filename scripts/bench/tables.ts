/** What `trainyard bench --json` printed as tables of Markdown. */
import { Schema } from "effect"

const Measured = Schema.Struct({
  engine: Schema.String,
  version: Schema.optionalKey(Schema.String),
  precision: Schema.String,
  threads: Schema.Int,
  what: Schema.Literals(["train-step", "matmul", "generate"]),
  stepMilliseconds: Schema.Finite,
  lowMilliseconds: Schema.Finite,
  highMilliseconds: Schema.Finite,
  minimumMilliseconds: Schema.Finite,
  othersProcessors: Schema.NullOr(Schema.Finite),
  tokensPerSecond: Schema.NullOr(Schema.Finite),
  shareOfPeak: Schema.NullOr(Schema.Finite),
  peakGflops: Schema.NullOr(Schema.Finite)
})
export type Measured = typeof Measured.Type

const Absent = Schema.Struct({ engine: Schema.String, unavailable: Schema.String })
const Operation = Schema.Struct({ what: Schema.Literal("operation") })
const decodeLine = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Union([Measured, Absent, Operation]))
)

/** The measurements of a run's lines, and the engines that it left out. */
export const read = (lines: ReadonlyArray<string>) => {
  const all = lines.map((line) => decodeLine(line))
  return {
    measured: all.filter((line): line is Measured => "stepMilliseconds" in line),
    absent: all.filter((line): line is typeof Absent.Type => "unavailable" in line)
  }
}

export const rowOf = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map(rowOf).join("\n")

const number = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3)
const percent = (share: number | null): string => (share === null ? "" : `${Math.round(100 * share)} %`)

/** How many times as long as native with the same precision, with the range that both intervals allow. */
const beside = (line: Measured, all: ReadonlyArray<Measured>): string => {
  const native = all.find(
    ({ engine, precision, threads, what }) =>
      engine === "native" && precision === line.precision && threads === line.threads && what === line.what
  )
  if (native === undefined || native === line) return ""
  const ratio = (ours: number, theirs: number) => (theirs / ours).toFixed(2)
  return `${ratio(native.stepMilliseconds, line.stepMilliseconds)} (${ratio(native.highMilliseconds, line.lowMilliseconds)} to ${ratio(native.lowMilliseconds, line.highMilliseconds)})`
}

const uncertainty = ({ highMilliseconds, lowMilliseconds, stepMilliseconds }: Measured): string =>
  `${((50 * (highMilliseconds - lowMilliseconds)) / stepMilliseconds).toFixed(1)} %`

/** One row an engine, a precision and a number of threads: the median with its interval, rates, and how long it takes beside native. */
export const measurements = (all: ReadonlyArray<Measured>, what: Measured["what"]): string =>
  table(
    ["engine", "precision", "ms", "±", "least", "tokens/s", "of peak", "times as long as native"],
    all
      .filter((line) => line.what === what)
      .map((line) => [
        line.version === undefined ? `\`${line.engine}\`` : `${line.engine} ${line.version}`,
        line.precision,
        number(line.stepMilliseconds),
        uncertainty(line),
        number(line.minimumMilliseconds),
        line.tokensPerSecond === null ? "" : number(line.tokensPerSecond),
        percent(line.shareOfPeak),
        beside(line, all)
      ])
  )

/** One row a kernel path and precision. */
export const paths = (
  runs: ReadonlyArray<{ readonly path: string; readonly measured: ReadonlyArray<Measured> }>
): string =>
  table(
    ["kernels", "precision", "peak, GFLOP/s", "ms", "of peak"],
    runs.flatMap(({ measured, path }) =>
      measured
        .filter(({ what }) => what === "train-step")
        .map((line) => [
          `\`${path}\``,
          line.precision,
          line.peakGflops === null ? "" : number(line.peakGflops),
          number(line.stepMilliseconds),
          percent(line.shareOfPeak)
        ])
    )
  )

/** The highest measured peaks, and whether other programs were at work. */
export const circumstances = (all: ReadonlyArray<Measured>): string => {
  const peaks = new Map<string, number>()
  for (const { peakGflops, precision } of all)
    if (peakGflops !== null) peaks.set(precision, Math.max(peakGflops, peaks.get(precision) ?? 0))
  const others = Math.max(0, ...all.map(({ othersProcessors }) => othersProcessors ?? 0))
  const said = [...peaks].map(([precision, gflops]) => `${number(gflops)} (${precision})`).join(" and ")
  return [
    ...(said === "" ? [] : [`Measured peak in GFLOP/s: ${said}.`]),
    ...(others > 0 ? [`Other programs took up to ${number(others)} processors during the measurement.`] : [])
  ].join(" ")
}
