import { describe, expect, it } from "vitest"
import { curveSvg, ticks } from "../../src/train/curveSvg.ts"
import { wellFormed } from "../wellFormed.ts"

describe("curve.svg", () => {
  const curve = Array.from({ length: 1000 }, (_, step) => ({
    step: step + 1,
    loss: step === 500 ? null : 8 - step / 200,
    ...(step % 100 === 99 ? { validationLoss: 8.2 - step / 210 } : {}),
    learningRate: 1e-3,
    gradientNorm: 1
  }))

  it("is well formed, marks each validation point and labels its axes", () => {
    const svg = curveSvg(curve)
    expect(wellFormed(svg)).toBe(true)
    expect(svg.match(/<circle [^>]*><title>/g)).toHaveLength(10)
    expect(svg).toContain(">step<")
    expect(svg).toContain("loss (nats per token)")
    expect(svg).not.toContain("NaN")
    // A long curve is thinned to what can be seen.
    expect(svg.length).toBeLessThan(20_000)
  })

  it("draws a curve of one point, and says so when there is none", () => {
    expect(curveSvg(curve.slice(0, 1))).not.toContain("NaN")
    expect(curveSvg([])).toContain("without a loss curve")
  })

  it("puts its ticks on round numbers inside the range", () => {
    expect(ticks(0.3, 9.7, 5)).toEqual([2, 4, 6, 8])
    expect(ticks(1, 1000, 5)).toEqual([200, 400, 600, 800, 1000])
  })
})
