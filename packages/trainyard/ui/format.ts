/** Numbers and times as people read them. */

export const duration = (seconds: number): string => {
  if (!Number.isFinite(seconds) || seconds < 0) return "?"
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** For the marks of an axis: `30 s`, `20 min`, `3.5 h`. */
export const shortDuration = (seconds: number): string =>
  seconds < 120
    ? `${seconds} s`
    : seconds < 7200
      ? `${Math.round(seconds / 60)} min`
      : `${Number((seconds / 3600).toFixed(1))} h`

export const count = (value: number): string => Math.round(value).toLocaleString("en-US")

/** About four digits. */
export const figure = (value: number | null | undefined): string => {
  if (value === undefined) return ""
  if (value === null) return "not finite"
  const size = Math.abs(value)
  if (size >= 1000) return count(value)
  if (size === 0) return "0"
  return size >= 1e-4 ? String(Number(value.toPrecision(4))) : value.toExponential(2)
}

const units = ["B", "kB", "MB", "GB", "TB"]

export const bytes = (value: number): string => {
  let size = value
  let unit = 0
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000
    unit++
  }
  return `${unit === 0 ? count(size) : size.toFixed(size >= 100 ? 0 : 1)} ${units[unit]}`
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
