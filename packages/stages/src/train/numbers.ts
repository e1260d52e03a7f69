/** The kinds of numbers that settings are. */
import { Schema } from "effect"

export const positiveInt = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
export const wholeNumber = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))
export const positive = Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))
export const notNegative = Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))
/** From 0 to below 1. */
export const share = notNegative.pipe(Schema.check(Schema.isLessThan(1)))
/** Above 0, 1 included. */
export const part = positive.pipe(Schema.check(Schema.isLessThanOrEqualTo(1)))
