/** Durations, counts and sizes as people read them, in a terminal and on the page. */

/** Seconds as `0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`. */
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

/** A whole number with separators: `288,100`. */
export const count = (value: number): string => Math.round(value).toLocaleString("en-US")

const sizeUnits = ["B", "kB", "MB", "GB", "TB"]

/** Bytes in powers of a thousand: `4.6 MB`. */
export const bytes = (value: number): string => {
  let size = value
  let unit = 0
  while (size >= 999.5 && unit < sizeUnits.length - 1) {
    size /= 1000
    unit++
  }
  return `${unit === 0 ? count(size) : size.toFixed(size >= 100 ? 0 : 1)} ${sizeUnits[unit]}`
}
