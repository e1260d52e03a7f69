/** The kinds of numbers that settings are. */
import { Schema } from "effect"

export const positiveInt = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
export const wholeNumber = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))
export const positive = Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))
export const notNegative = Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))
/** Above 0 in float32 too, in which the engines compute. */
export const positiveFloat32 = positive.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1e-45)))
/** From 0 to below 1. */
export const share = notNegative.pipe(Schema.check(Schema.isLessThan(1)))
/** From 0 to below 1, in float32 too. */
export const decayRate = notNegative.pipe(Schema.check(Schema.isLessThanOrEqualTo(0.9999999)))
/** Above 0, 1 included. */
export const part = positive.pipe(Schema.check(Schema.isLessThanOrEqualTo(1)))
