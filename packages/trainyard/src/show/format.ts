/** Numbers as people read them: durations, sizes, counts, rates; and text on one line. */
import * as Sanitize from "@trainyard/core/Sanitize"
import { bytes, count } from "./units.ts"

export { bytes, count, duration } from "./units.ts"

/** About three digits: `12,345`, `123`, `12.3`, `1.23`, `0.0012`. */
export const figure = (value: number): string => {
  const size = Math.abs(value)
  if (!Number.isFinite(value)) return String(value)
  if (size >= 100) return count(value)
  if (size >= 10) return value.toFixed(1)
  if (size >= 0.01 || size === 0) return value.toFixed(size >= 1 ? 2 : 3)
  return value.toPrecision(2)
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
