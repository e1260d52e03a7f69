import { expect, it } from "@effect/vitest"
import { addHealth, addPoint } from "../../src/status/Curve.ts"
import type { HealthPoint, Point } from "../../src/status/RunState.ts"

const curve = (values: ReadonlyArray<number | null>): ReadonlyArray<Point> =>
  values.reduce(
    (points: ReadonlyArray<Point>, value, index) =>
      addPoint(points, { step: index + 1, value, seconds: index / 10 }),
    []
  )

it("a long curve is as fine at its beginning as at its end, and keeps the range of what it merged", () => {
  const points = curve(Array.from({ length: 50_000 }, (_, index) => (index === 777 ? 50 : 3)))
  expect(points.length).toBeLessThanOrEqual(2048)
  expect(points.at(-1)).toMatchObject({ step: 50_000, seconds: 4999.9 })
  const gaps = points.map(({ step }, index) => step - (points[index - 1]?.step ?? 0))
  expect(new Set(gaps.slice(0, -1))).toEqual(new Set([gaps[0]]))
  const spike = points.find(({ step }) => step >= 778)
  expect(spike).toMatchObject({ low: 3, high: 50, of: gaps[0] })
  expect(spike?.value).toBeCloseTo(3 + 47 / gaps[0]!, 10)
  expect(points.filter(({ high }) => high === 50)).toHaveLength(1)
})

it("a mean is of the values that are finite", () => {
  const points = curve(Array.from({ length: 2049 }, (_, index) => (index === 1 ? null : index)))
  expect(points[0]).toMatchObject({ value: 0, low: 0, high: 0, of: 2 })
  const nothing = curve(Array.from({ length: 2049 }, () => null))
  expect(nothing[0]).toEqual({ step: 2, value: null, seconds: 0.1, of: 2 })
})

it("the curve of health keeps its peaks, at most 512 points", () => {
  const points = Array.from(
    { length: 2000 },
    (_, index): HealthPoint => ({
      seconds: 5 * index,
      residentBytes: index === 55 ? 900 : 100,
      heapBytes: 10,
      cpu: 1
    })
  ).reduce(addHealth, [] as ReadonlyArray<HealthPoint>)
  expect(points.length).toBeLessThanOrEqual(512)
  expect(points.filter(({ residentBytes }) => residentBytes === 900)).toHaveLength(1)
  expect(points.at(-1)?.seconds).toBe(9995)
})
