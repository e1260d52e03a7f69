/** A line chart on a canvas, with the newest values as text for those who cannot see it. */
import { useEffect, useRef } from "preact/hooks"
import uPlot from "uplot"
import { duration, figure, shortDuration } from "./format.ts"

export interface Series {
  readonly label: string
  readonly xs: ReadonlyArray<number>
  readonly ys: ReadonlyArray<number | null>
  /** The newest value, where the last point is a mean. */
  readonly now?: number | null
  /** Range around each value, drawn as a band. */
  readonly lows?: ReadonlyArray<number | null>
  readonly highs?: ReadonlyArray<number | null>
}

export interface Mark {
  readonly x: number
  readonly label: string
}

export interface ChartProps {
  readonly title: string
  readonly series: ReadonlyArray<Series>
  readonly xLabel: string
  readonly xIsTime?: boolean
  readonly log?: boolean
  /** 0 for none, towards 1 for more: the weight of the past in an exponential moving average. */
  readonly smoothing?: number
  readonly marks?: ReadonlyArray<Mark>
  readonly format?: (value: number) => string
  readonly theme: string
}

const colours = 8

/** The colour that a variable of the style sheet has now. */
const colourOf = (host: HTMLElement, name: string): string => {
  const probe = document.createElement("span")
  probe.style.color = `var(${name})`
  host.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

/** Exponential moving average, corrected for its beginning. What is not finite is left out. */
export const smoothed = (values: ReadonlyArray<number | null>, weight: number): Array<number | null> => {
  let sum = 0
  let total = 0
  return values.map((value) => {
    if (value === null) return null
    sum = weight * sum + (1 - weight) * value
    total = weight * total + (1 - weight)
    return sum / total
  })
}

const positive = (values: ReadonlyArray<number | null>, log: boolean): Array<number | null> =>
  values.map((value) => (log && value !== null && value <= 0 ? null : value))

/** The series as columns over one axis, with those of bands, and how each is drawn. */
const prepared = (props: ChartProps, host: HTMLElement) => {
  const { log = false, series, smoothing = 0 } = props
  const tables: Array<uPlot.AlignedData> = []
  const drawn: Array<uPlot.Series> = [{}]
  const bands: Array<uPlot.Band> = []
  series.forEach((each, index) => {
    const stroke = colourOf(host, `--series-${index % colours}`)
    const ys = positive(each.ys, log)
    const hasRange = series.length <= 2 && (each.highs?.some((high) => high !== null) ?? false)
    const columns = [smoothing > 0 ? smoothed(ys, smoothing) : ys]
    const spanGaps = true
    const points = { show: ys.length < 40 }
    drawn.push({ label: each.label, stroke, width: 2, spanGaps, points })
    if (smoothing > 0) {
      columns.push(ys)
      drawn.push({
        label: `${each.label}, as measured`,
        stroke,
        width: 1,
        alpha: 0.25,
        spanGaps,
        points: { show: false }
      })
    }
    if (hasRange) {
      columns.push(positive(each.highs ?? [], log), positive(each.lows ?? [], log))
      const edge = { stroke, width: 1, alpha: 0.12, spanGaps, points: { show: false } }
      drawn.push({ label: "highest", ...edge }, { label: "lowest", ...edge })
      bands.push({ series: [drawn.length - 2, drawn.length - 1] })
    }
    tables.push([[...each.xs], ...columns] as uPlot.AlignedData)
  })
  const data: uPlot.AlignedData =
    tables.length === 1 ? tables[0]! : tables.length === 0 ? [[]] : uPlot.join(tables)
  return { data, drawn, bands }
}

const drawMarks = (marks: () => ReadonlyArray<Mark>, colour: string) => (plot: uPlot) => {
  const { ctx } = plot
  const { height, left, top, width } = plot.bbox
  ctx.save()
  ctx.strokeStyle = colour
  ctx.setLineDash([4, 4])
  for (const { x } of marks()) {
    const at = plot.valToPos(x, "x", true)
    if (at < left || at > left + width) continue
    ctx.beginPath()
    ctx.moveTo(at, top)
    ctx.lineTo(at, top + height)
    ctx.stroke()
  }
  ctx.restore()
}

const height = 240

/** Seconds between the marks of an axis of time. */
const timeSteps = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 604_800]

/** The values under the pointer, as text. */
const underPointer = (plot: uPlot, { format = figure, series, xIsTime, xLabel }: ChartProps): string => {
  const { idx } = plot.cursor
  const x = idx == null ? undefined : plot.data[0][idx]
  if (idx == null || x === undefined) return ""
  // Of the columns of a series only the first is its line.
  const lines = plot.series.flatMap(({ label }, index) => {
    const value = plot.data[index]?.[idx]
    const isLine = series.some((each) => each.label === label)
    return index > 0 && isLine && value != null ? [`${String(label)} ${format(value)}`] : []
  })
  return `${xIsTime === true ? duration(x) : `${xLabel} ${x.toLocaleString("en-US")}`}: ${lines.join(", ")}`
}

const create = (
  host: HTMLElement,
  props: ChartProps,
  latest: () => ChartProps,
  readout: HTMLElement | null
) => {
  const marks = () => latest().marks ?? []
  const { bands, data, drawn } = prepared(props, host)
  const ink = colourOf(host, "--faint")
  const grid = { stroke: colourOf(host, "--grid"), width: 1 }
  const ticks = { show: false }
  const { format = figure, xIsTime = false } = props
  const axis = { stroke: ink, grid, ticks, font: "12px system-ui" }
  return new uPlot(
    {
      width: Math.max(240, host.clientWidth),
      height,
      series: drawn,
      bands,
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false } },
      scales: { x: { time: false }, y: { distr: props.log === true ? 3 : 1 } },
      axes: [
        {
          ...axis,
          size: 28,
          ...(xIsTime ? { incrs: timeSteps, space: 70 } : {}),
          values: (_, values) =>
            values.map((value) => (xIsTime ? shortDuration(value) : value.toLocaleString("en-US")))
        },
        {
          ...axis,
          size: 64,
          values: (_, values) => values.map((value) => (value === null ? "" : format(value)))
        }
      ],
      hooks: {
        draw: [drawMarks(marks, colourOf(host, "--warn"))],
        setCursor: [
          (plot) => {
            if (readout !== null) readout.textContent = underPointer(plot, latest())
          }
        ]
      }
    },
    data,
    host
  )
}

const newest = ({ now, ys }: Series): number | null => now ?? ys.findLast((value) => value !== null) ?? null

/** Draws newer data. A part that was zoomed into stays in view. */
const update = (plot: uPlot, data: uPlot.AlignedData) => {
  const [xs] = plot.data
  const { max, min } = plot.scales.x ?? {}
  const first = xs[0]
  const last = xs.at(-1)
  const isZoomed =
    min != null && max != null && first !== undefined && last !== undefined && (min > first || max < last)
  plot.setData(data, !isZoomed)
  if (isZoomed) plot.redraw()
}

/** What a chart shows, in words. */
const inWords = ({ format = figure, log, series, title, xLabel }: ChartProps): string =>
  `${title} by ${xLabel}${log === true ? ", logarithmic" : ""}. ${series
    .map((each) => {
      const known = (each.lows ?? []).concat(each.ys).filter((value) => value !== null)
      const now = newest(each)
      return now === null
        ? `${each.label}: no values`
        : `${each.label}: now ${format(now)}, lowest ${format(known.reduce((a, b) => Math.min(a, b), now))}`
    })
    .join("; ")}`

export const Chart = (props: ChartProps) => {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const readout = useRef<HTMLSpanElement>(null)
  const latest = useRef(props)
  latest.current = props
  const { log = false, series, smoothing = 0, theme } = props
  const hasRange = series.map(({ highs }) => (highs?.some((high) => high !== null) ? "r" : "-")).join("")
  const isSparse = series.map(({ ys }) => (ys.length < 40 ? "s" : "-")).join("")
  const shape = [
    series.map(({ label }) => label).join("|"),
    hasRange,
    isSparse,
    log,
    smoothing,
    theme,
    props.xLabel
  ].join("/")
  useEffect(() => {
    const element = host.current
    if (element === null) return
    const made = create(element, latest.current, () => latest.current, readout.current)
    plot.current = made
    const resized = new ResizeObserver(() =>
      made.setSize({ width: Math.max(240, element.clientWidth), height })
    )
    resized.observe(element)
    return () => {
      resized.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [shape])
  useEffect(() => {
    const element = host.current
    if (element !== null && plot.current !== null) update(plot.current, prepared(props, element).data)
  })
  const { format = figure } = props
  return (
    <figure class="chart">
      <figcaption>
        <strong>{props.title}</strong>
        <span class="legend">
          {series.map((each, index) => (
            <span key={each.label}>
              <i class={`dot series-${index % colours}`} /> {each.label}{" "}
              <b>{newest(each) === null ? "" : format(newest(each) ?? 0)}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={host} role="img" aria-label={inWords(props)} />
      <div class="faint small">
        by {props.xLabel} <span ref={readout} class="readout" />
        {props.marks === undefined || props.marks.length === 0
          ? ""
          : `; dashed lines: ${props.marks
              .map(({ label }) => label)
              .slice(-3)
              .join("; ")}`}
      </div>
    </figure>
  )
}
