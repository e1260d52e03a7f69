/** The curve of data parallel training: for each step the means over the replicas. */
import { Option, Schema } from "effect"
import { CurvePoint } from "../train/TrainedRun.ts"

const decodePoint = Schema.decodeUnknownOption(Schema.fromJsonString(CurvePoint))

const pointsOf = (curve: string): ReadonlyArray<CurvePoint> =>
  curve.split("\n").flatMap((line) => Option.toArray(decodePoint(line)))

/** Mean of those that are numbers; null where none is. */
const meanOf = (values: ReadonlyArray<number | null>): number | null => {
  const finite = values.filter((value) => value !== null)
  return finite.length === 0 ? null : finite.reduce((sum, value) => sum + value, 0) / finite.length
}

/** One point for each step, in order, from the replicas' `curve.jsonl` of a round. */
export const averageCurves = (curves: ReadonlyArray<string>): ReadonlyArray<CurvePoint> => {
  const steps = new Map<number, Array<CurvePoint>>()
  for (const point of curves.flatMap(pointsOf))
    steps.set(point.step, [...(steps.get(point.step) ?? []), point])
  return [...steps]
    .sort(([a], [b]) => a - b)
    .map(([step, points]) => ({
      step,
      loss: meanOf(points.map(({ loss }) => loss)),
      learningRate: points[0]!.learningRate,
      gradientNorm: meanOf(points.map(({ gradientNorm }) => gradientNorm))
    }))
}
