import { describe, expect, it } from "vitest"
import * as Curve from "../../src/train/Curve.ts"

const point = (step: number) => ({ step, loss: 1 / step, learningRate: 1e-3, gradientNorm: null })
const line = (step: number) => `${JSON.stringify(point(step))}\n`
const text = (pieces: ReadonlyArray<Uint8Array>) => Buffer.concat(pieces).toString()

describe("the curve", () => {
  it("is every line in order, over any number of pieces, after those of the checkpoint that it goes on from", () => {
    const curve = Curve.make(Buffer.from(line(1)))
    let expected = line(1)
    for (let step = 2; step < 8_000; step++) {
      curve.add(point(step))
      expected += line(step)
    }
    expect(curve.pieces().length).toBeGreaterThan(2)
    expect(text(curve.pieces()) === expected).toBe(true)
  })

  it("that was given out for a checkpoint stays as it was while steps go on", () => {
    const curve = Curve.make()
    curve.add(point(1))
    const saved = curve.pieces()
    curve.add(point(2))
    expect(text(saved)).toBe(line(1))
    expect(text(curve.pieces())).toBe(line(1) + line(2))
  })
})
