/** The loss curve of training as an SVG picture: the training loss as a line, the validation points on top. */
import type { CurvePoint } from "./TrainedRun.ts"

const width = 720
const height = 360
const margin = { top: 24, right: 24, bottom: 48, left: 64 }
const colours = { ink: "#24292f", grid: "#d8dee4", train: "#57838d", validation: "#c2410c" }

interface Point {
  readonly x: number
  readonly y: number
}

/** Round numbers that cover a range, about `count` of them. */
export const ticks = (low: number, high: number, count: number): ReadonlyArray<number> => {
  const span = high - low
  if (!(span > 0)) return [low]
  const rough = span / count
  const magnitude = 10 ** Math.floor(Math.log10(rough))
  const step = magnitude * ([1, 2, 5, 10].find((each) => each * magnitude >= rough) ?? 10)
  const first = Math.ceil(low / step)
  const last = Math.floor(high / step + 1e-9)
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12))
  )
}

/** Means of neighbours, so that a long run's line has no more points than can be seen. */
const thinned = (points: ReadonlyArray<Point>, most: number): ReadonlyArray<Point> => {
  const size = Math.ceil(points.length / most)
  if (size <= 1) return points
  return Array.from({ length: Math.ceil(points.length / size) }, (_, index) => {
    const group = points.slice(index * size, (index + 1) * size)
    const mean = (pick: (point: Point) => number) =>
      group.reduce((sum, point) => sum + pick(point), 0) / group.length
    return { x: mean((point) => point.x), y: mean((point) => point.y) }
  })
}

/** Draws the curve; a text in its place when there is nothing to draw. */
export const curveSvg = (curve: ReadonlyArray<CurvePoint>): string => {
  const train = thinned(
    curve.flatMap(({ loss, step }) =>
      loss === null || !Number.isFinite(loss) ? [] : [{ x: step, y: loss }]
    ),
    400
  )
  const validation = curve.flatMap(({ step, validationLoss }) =>
    validationLoss === undefined ? [] : [{ x: step, y: validationLoss }]
  )
  const all = [...train, ...validation]
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Loss curve" font-family="system-ui, sans-serif" font-size="12" fill="${colours.ink}">\n<rect width="${width}" height="${height}" fill="#ffffff"/>\n`
  if (all.length === 0) {
    return `${open}<text x="${width / 2}" y="${height / 2}" text-anchor="middle">This model came without a loss curve.</text>\n</svg>\n`
  }

  const range = (pick: (point: Point) => number) => {
    const values = all.map(pick)
    const low = values.reduce((a, b) => Math.min(a, b))
    const high = values.reduce((a, b) => Math.max(a, b))
    return high > low ? { low, high } : { low: low - 0.5, high: high + 0.5 }
  }
  const xs = range((point) => point.x)
  const ys = range((point) => point.y)
  const x = (value: number) =>
    round(margin.left + ((value - xs.low) / (xs.high - xs.low)) * (width - margin.left - margin.right))
  const y = (value: number) =>
    round(
      height - margin.bottom - ((value - ys.low) / (ys.high - ys.low)) * (height - margin.top - margin.bottom)
    )

  const bottom = height - margin.bottom
  const right = width - margin.right
  const horizontal = ticks(ys.low, ys.high, 6).map(
    (value) =>
      `<line x1="${margin.left}" x2="${right}" y1="${y(value)}" y2="${y(value)}" stroke="${colours.grid}"/><text x="${margin.left - 8}" y="${y(value) + 4}" text-anchor="end">${value}</text>`
  )
  const vertical = ticks(xs.low, xs.high, 8).map(
    (value) =>
      `<line x1="${x(value)}" x2="${x(value)}" y1="${bottom}" y2="${bottom + 5}" stroke="${colours.ink}"/><text x="${x(value)}" y="${bottom + 18}" text-anchor="middle">${value}</text>`
  )
  const line = (points: ReadonlyArray<Point>, colour: string) =>
    points.length < 2
      ? ""
      : `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${points.map((point) => `${x(point.x)},${y(point.y)}`).join(" ")}"/>`
  const dots = validation.map(
    (point) =>
      `<circle cx="${x(point.x)}" cy="${y(point.y)}" r="3" fill="${colours.validation}"><title>step ${point.x}: ${round(point.y)}</title></circle>`
  )
  return [
    open.trimEnd(),
    ...horizontal,
    ...vertical,
    `<line x1="${margin.left}" x2="${right}" y1="${bottom}" y2="${bottom}" stroke="${colours.ink}"/>`,
    `<line x1="${margin.left}" x2="${margin.left}" y1="${margin.top}" y2="${bottom}" stroke="${colours.ink}"/>`,
    line(train, colours.train),
    line(validation, colours.validation),
    ...dots,
    `<text x="${(margin.left + right) / 2}" y="${height - 8}" text-anchor="middle">step</text>`,
    `<text transform="translate(16 ${(margin.top + bottom) / 2}) rotate(-90)" text-anchor="middle">loss (nats per token)</text>`,
    `<g transform="translate(${right - 120} ${margin.top + 8})"><line x2="20" stroke="${colours.train}" stroke-width="2"/><text x="26" y="4">train</text><line y1="18" y2="18" x2="20" stroke="${colours.validation}" stroke-width="2"/><circle cx="10" cy="18" r="3" fill="${colours.validation}"/><text x="26" y="22">validation</text></g>`,
    "</svg>",
    ""
  ].join("\n")
}

const round = (value: number): number => Math.round(value * 100) / 100
