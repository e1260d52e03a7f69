import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { decayRate, positiveFloat32 } from "../../src/train/numbers.ts"

const isAccepted = (schema: Schema.Codec<number>, value: number) => Schema.is(schema)(value)

describe("settings that float32 would change", () => {
  it("are refused where it makes them 0", () => {
    assert.isTrue(isAccepted(positiveFloat32, 1e-45))
    assert.strictEqual(Math.fround(1e-50), 0)
    assert.isFalse(isAccepted(positiveFloat32, 1e-50))
  })

  it("are refused where it makes them 1", () => {
    assert.isTrue(isAccepted(decayRate, 0.9999999))
    assert.strictEqual(Math.fround(0.99999999), 1)
    assert.isFalse(isAccepted(decayRate, 0.99999999))
    assert.isFalse(isAccepted(decayRate, 1))
  })
})
