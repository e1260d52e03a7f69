/** Numbers as people read them: durations, sizes, counts, rates; and text on one line. */
import * as Sanitize from "@trainyard/core/Sanitize"

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

/** About three digits: `12,345`, `123`, `12.3`, `1.23`, `0.0012`. */
export const figure = (value: number): string => {
  const size = Math.abs(value)
  if (!Number.isFinite(value)) return String(value)
  if (size >= 100) return count(value)
  if (size >= 10) return value.toFixed(1)
  if (size >= 0.01 || size === 0) return value.toFixed(size >= 1 ? 2 : 3)
  return value.toPrecision(2)
}

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

/** What is done of a whole, in the whole's unit: `12.3 of 48.0 MB`; in any other unit than bytes `1,200 of 3,000 files`. */
export const partOf = (done: number, total: number, unit: string): string => {
  if (unit !== "bytes") return `${count(done)} of ${count(total)} ${unit}`
  const [part, whole] = [bytes(done), bytes(total)]
  const [amount, partUnit] = part.split(" ")
  return whole.endsWith(` ${partUnit}`) ? `${amount} of ${whole}` : `${part} of ${whole}`
}

/** So much of a unit: `12.3 MB`, `1,200 files`. */
export const amount = (value: number, unit: string): string =>
  unit === "bytes" ? bytes(value) : `${count(value)} ${unit}`

/** A metric's value with the digits that tell two steps apart: `3.033`, `0.0006000`, `12,345`, `1.50e-5`. */
export const metricValue = (value: number | null): string => {
  if (value === null) return "not finite"
  const size = Math.abs(value)
  if (size >= 1000) return count(value)
  return size >= 1e-4 || size === 0 ? value.toPrecision(4) : value.toExponential(2)
}

/** A metric as it stands in a line: `loss 3.033`; with a unit, which says what it is, `3,772 tokens/s`. */
export const metric = (of: {
  readonly name: string
  readonly value: number | null
  readonly unit?: string | null
}): string => {
  const { name, unit = null, value } = of
  return unit === null || value === null
    ? `${name} ${metricValue(value)}`
    : unit.includes("/")
      ? `${figure(value)} ${unit}`
      : `${name} ${figure(value)} ${unit}`
}

/** A share from 0 to 1 as `42 %`. */
export const share = (value: number): string => `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`

/** Text on one line, sanitized and cut to `most` characters. */
export const oneLine = (text: string, most: number): string => {
  const flat = Sanitize.line(text)
  const characters = [...flat]
  return characters.length <= most ? flat : `${characters.slice(0, Math.max(0, most - 3)).join("")}...`
}
