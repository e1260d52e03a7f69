/** Curves of the metrics of one run, or of several over each other. */
import { Chart, type Mark, type Series } from "./Chart.tsx"
import { figure } from "./format.ts"
import { useChoice } from "./route.ts"
import type { Curve, Run } from "./runs.ts"

/** What the x axis may be. */
const axes = ["step", "time", "tokens"] as const
type Axis = (typeof axes)[number]

export interface CurveChoice {
  readonly axis: Axis
  readonly log: boolean
  readonly smoothing: number
}

export const useCurveChoice = () =>
  useChoice<CurveChoice>("curves", { axis: "step", log: false, smoothing: 0 })

/** Tokens that a step trains on, by the stage's config; undefined where that does not say. */
const tokensPerStep = (run: Run, stage: string): number | undefined => {
  const config = run.state?.stages.find(({ name }) => name === stage)?.config ?? {}
  const { batchSize, gradientAccumulationSteps = 1, sequenceLength } = config
  return typeof batchSize === "number" &&
    typeof sequenceLength === "number" &&
    typeof gradientAccumulationSteps === "number"
    ? batchSize * sequenceLength * gradientAccumulationSteps
    : undefined
}

const xsOf = (run: Run, curve: Curve, axis: Axis): ReadonlyArray<number> => {
  if (axis === "time") return curve.seconds
  if (axis === "step") return curve.steps
  const tokens = tokensPerStep(run, curve.stage)
  return tokens === undefined ? curve.steps : curve.steps.map((step) => step * tokens)
}

/** "validation loss" is drawn with "loss". */
const family = (name: string): string => name.replace(/^(training|validation) /, "")

/** The curves that are drawn together, in the order in which they came. */
export const families = (
  runs: ReadonlyArray<Run>
): ReadonlyArray<{ readonly key: string; readonly title: string }> => {
  const found = new Map<string, string>()
  for (const run of runs)
    for (const { name, stage, unit } of run.curves.values()) {
      const key = `${stage}/${family(name)}`
      if (!found.has(key)) found.set(key, `${family(name)}${unit === null ? "" : ` (${unit})`}`)
    }
  return [...found].map(([key, title]) => ({ key, title }))
}

const seriesOf = (runs: ReadonlyArray<Run>, key: string, axis: Axis): ReadonlyArray<Series> =>
  runs.flatMap((run) =>
    [...run.curves.values()]
      .filter(({ name, stage }) => `${stage}/${family(name)}` === key)
      .map((curve) => ({
        label: runs.length === 1 ? curve.name : `${run.id} ${curve.name}`,
        xs: xsOf(run, curve, axis),
        ys: curve.values,
        now: curve.value,
        lows: curve.lows,
        highs: curve.highs
      }))
  )

/** Faults and retries, at their time. */
export const marksOf = (run: Run): ReadonlyArray<Mark> => {
  const { faults = [], retried = [], startedAt = "" } = run.state ?? {}
  const x = (at: string) => (Date.parse(at) - Date.parse(startedAt)) / 1000
  return [
    ...faults.map(({ at, kind }) => ({ x: x(at), label: `fault: ${kind}` })),
    ...retried.map(({ at, stage }) => ({ x: x(at), label: `${stage} tried again` }))
  ]
}

export const CurveControls = (props: {
  readonly choice: CurveChoice
  readonly change: (choice: CurveChoice) => void
}) => {
  const { change, choice } = props
  return (
    <form class="controls" aria-label="How curves are drawn" onSubmit={(event) => event.preventDefault()}>
      <label>
        by{" "}
        <select
          value={choice.axis}
          onChange={(event) =>
            change({ ...choice, axis: axes.find((axis) => axis === event.currentTarget.value) ?? "step" })
          }
        >
          {axes.map((axis) => (
            <option key={axis}>{axis}</option>
          ))}
        </select>
      </label>
      <label>
        <input
          type="checkbox"
          checked={choice.log}
          onChange={(event) => change({ ...choice, log: event.currentTarget.checked })}
        />{" "}
        logarithmic
      </label>
      <label>
        smoothing{" "}
        <input
          type="range"
          min="0"
          max="0.98"
          step="0.02"
          value={choice.smoothing}
          onInput={(event) => change({ ...choice, smoothing: Number(event.currentTarget.value) })}
        />{" "}
        {choice.smoothing}
      </label>
    </form>
  )
}

/** The charts of all metrics, or of the first alone. */
export const Curves = (props: {
  readonly runs: ReadonlyArray<Run>
  readonly choice: CurveChoice
  readonly theme: string
  readonly most?: number
}) => {
  const { choice, most = Number.POSITIVE_INFINITY, runs, theme } = props
  const shown = families(runs).slice(0, most)
  if (shown.length === 0) return <p class="faint">No stage has published a metric yet.</p>
  const [only] = runs
  return (
    <div class={shown.length > 1 ? "charts" : ""}>
      {shown.map(({ key, title }) => (
        <Chart
          key={key}
          title={title}
          series={seriesOf(runs, key, choice.axis)}
          xLabel={choice.axis === "time" ? "time since the run started" : choice.axis}
          xIsTime={choice.axis === "time"}
          log={choice.log}
          smoothing={choice.smoothing}
          marks={choice.axis === "time" && runs.length === 1 && only !== undefined ? marksOf(only) : []}
          format={figure}
          theme={theme}
        />
      ))}
    </div>
  )
}
