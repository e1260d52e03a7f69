/** The assertions that the suite makes, on Node's own, so that it needs no test library. */
import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict"

export { deepStrictEqual, match, notStrictEqual, strictEqual }

export const isTrue = (value: boolean, message?: string): void => strictEqual(value, true, message)

export const isFalse = (value: boolean, message?: string): void => strictEqual(value, false, message)

/** For sentences that say what is wrong: a sentence is the message itself. */
export const isUndefined = (value: string | undefined, message?: string): void =>
  ok(value === undefined, message ?? value)

export const isNaN = (value: number | undefined): void => ok(Number.isNaN(value), `${value} is not NaN`)

export const isAbove = (value: number, bound: number): void =>
  ok(value > bound, `${value} is not above ${bound}`)

export const isBelow = (value: number, bound: number): void =>
  ok(value < bound, `${value} is not below ${bound}`)

export const closeTo = (value: number, expected: number, allowed: number): void =>
  ok(Math.abs(value - expected) <= allowed, `${value} is not within ${allowed} of ${expected}`)
