/** Numbers and times as people read them. */

import { count } from "../src/show/units.ts"

export { bytes, count, duration } from "../src/show/units.ts"

/** For the marks of an axis: `30 s`, `20 min`, `3.5 h`. */
export const shortDuration = (seconds: number): string =>
  seconds < 120
    ? `${seconds} s`
    : seconds < 7200
      ? `${Math.round(seconds / 60)} min`
      : `${Number((seconds / 3600).toFixed(1))} h`

/** About four digits. */
export const figure = (value: number | null | undefined): string => {
  if (value === undefined) return ""
  if (value === null) return "not finite"
  const size = Math.abs(value)
  if (size >= 1000) return count(value)
  if (size === 0) return "0"
  return size >= 1e-4 ? String(Number(value.toPrecision(4))) : value.toExponential(2)
}

/** Local date and time. */
export const moment = (iso: string): string => {
  const time = new Date(iso)
  const two = (value: number) => String(value).padStart(2, "0")
  return Number.isNaN(time.getTime())
    ? ""
    : `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
}

/** The beginning of a cache key: enough to name it. */
export const short = (cacheKey: string): string => cacheKey.slice(0, 12)

export const plural = (number: number, word: string): string =>
  `${count(number)} ${word}${number === 1 ? "" : "s"}`
