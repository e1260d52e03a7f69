/** Memory, threads and open files by training step, as `watchMemory.mjs` noted them, and the verdict on them. */
import { readFileSync } from "node:fs"

export interface Sample {
  readonly step: number
  /** Bytes. */
  readonly resident: number
  /** Bytes that a collection of garbage has left, in the heap and in buffers; null where none was made. */
  readonly kept: number | null
  /** Bytes that the process then has resident beside V8's heap and buffers; null where none was made. */
  readonly outside: number | null
  readonly threads: number | null
  readonly openFiles: number | null
}

export const readSamples = (file: string): ReadonlyArray<Sample> =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

/** MiB each 1,000 steps: more than this is a leak. */
const mostResident = 1
// Stricter, because what is measured after a collection has no noise to speak of: a leak of exactly 1 MiB must be seen.
const mostKept = 0.75

/**
 * Until then the process is growing to its working size: modules are compiled, V8 lets its heap grow and
 * waits with its first full collection. A leak that began meanwhile goes on afterwards, and what is kept is measured all the same.
 */
const warmUp = 0.3

type Point = readonly [x: number, y: number]

/** The median of the slopes between any two points: what happens once, early or late, does not tilt it; a steady rise does. */
export const medianSlope = (points: ReadonlyArray<Point>): number => {
  const slopes: Array<number> = []
  for (const [i, [x0, y0]] of points.entries())
    for (const [x1, y1] of points.slice(i + 1)) if (x1 > x0) slopes.push((y1 - y0) / (x1 - x0))
  slopes.sort((a, b) => a - b)
  return slopes[Math.floor(slopes.length / 2)] ?? Number.NaN
}

const range = (values: ReadonlyArray<number | null>): string => {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? "unknown" : `${Math.min(...known)} to ${Math.max(...known)}`
}

/** What the last of a few values has over the first. */
const grown = (values: ReadonlyArray<number | null>): boolean => {
  const known = values.filter((value) => value !== null)
  const third = Math.floor(known.length / 3)
  return third > 0 && Math.min(...known.slice(-third)) > Math.max(...known.slice(0, third))
}

export interface Verdict {
  readonly ok: boolean
  readonly text: string
}

/** Judges a run of `steps` steps: memory against its limits, threads and open files against growing. */
export const judge = (samples: ReadonlyArray<Sample>, steps: number): Verdict => {
  const later = samples.filter(({ step }) => step >= warmUp * steps)
  const point = ({ step }: Sample, bytes: number): Point => [step / 1000, bytes / 2 ** 20]
  const resident = later.map((sample) => point(sample, sample.resident))
  const kept = later.flatMap((sample) => (sample.kept === null ? [] : [point(sample, sample.kept)]))
  const outside = later.flatMap((sample) => (sample.outside === null ? [] : [point(sample, sample.outside)]))
  const alone = samples.every((sample) => sample.kept === null)
  if (resident.length < 12 || (!alone && kept.length < 3))
    return { ok: false, text: `Only ${samples.length} samples: too few to judge. Give more steps.` }
  const residentSlope = medianSlope(resident)
  const keptSlope = alone ? 0 : medianSlope(kept)
  const outsideSlope = alone ? 0 : medianSlope(outside)
  const threads = later.map((sample) => sample.threads)
  const openFiles = later.map((sample) => sample.openFiles)
  const line = (name: string, points: ReadonlyArray<Point>, slope: number, most: number) =>
    `${name} ${points[0]![1].toFixed(1)} to ${points.at(-1)![1].toFixed(1)} MiB, slope ${slope.toFixed(2)} MiB per 1,000 steps (less than ${most} is asked for)`
  return {
    ok:
      residentSlope < mostResident &&
      keptSlope < mostKept &&
      outsideSlope < mostKept &&
      !grown(threads) &&
      !grown(openFiles),
    text: [
      `${samples.length} samples over ${steps.toLocaleString("en-US")} steps, judged from step ${Math.round(warmUp * steps).toLocaleString("en-US")} on:`,
      `  ${line("resident memory", resident, residentSlope, mostResident)}`,
      ...(alone
        ? []
        : [
            `  ${line("kept by collections", kept, keptSlope, mostKept)}`,
            `  ${line("resident outside V8", outside, outsideSlope, mostKept)}`
          ]),
      `  threads ${range(threads)}, open files ${range(openFiles)}`
    ].join("\n")
  }
}
