/** Numbers as the views of artifacts show them. */
import { ByteSize } from "effect"

/** A whole number with separators: `288,100`. */
export const count = (value: number): string => Math.round(value).toLocaleString("en-US")

/** Four digits: `1.234`, `0.00123`; a whole number as it is. */
export const figure = (value: number): string =>
  Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(4)))

/** Bytes in powers of a thousand: `4.6 MB`. */
export const bytes = (value: number): string =>
  ByteSize.format(ByteSize.bytes(value), { system: "decimal", precision: 1 })

/** A share from 0 to 1: `42.0 %`. */
export const share = (value: number): string => `${(100 * value).toFixed(1)} %`

/** A number and what it counts: `1 document`, `2 documents`. */
export const plural = (value: number, word: string): string =>
  `${count(value)} ${word}${value === 1 ? "" : "s"}`

/**
 * The whole number that an argument such as `--document 3` gives, from 0 to below `limit`; else a sentence that says what is wrong.
 */
export const indexOf = (argument: string, what: string, limit: number): number | string => {
  const value = Number(argument)
  return Number.isInteger(value) && argument.trim() !== "" && value >= 0 && value < limit
    ? value
    : limit === 0
      ? `it has no ${what}`
      : `"${argument}" is no number of a ${what}: give one from 0 to ${limit - 1}`
}
