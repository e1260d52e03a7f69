import { assert, describe, it } from "@effect/vitest"
import { outerStep } from "../../src/diloco/outerOptimizer.ts"

const close = (actual: Float32Array, expected: ReadonlyArray<number>) => {
  assert.strictEqual(actual.length, expected.length)
  for (const [index, value] of expected.entries()) assert.closeTo(actual[index]!, value, 1e-6)
}

describe("the outer step", () => {
  const start = { weights: Float32Array.of(1, -2), momentum: new Float32Array(2) }
  const differences = [Float32Array.of(0.2, 0), Float32Array.of(0.4, -1)]

  it("with learning rate 1 and no momentum gives the mean of the replicas' weights", () => {
    const { weights } = outerStep(start, differences, { learningRate: 1, momentum: 0 })
    close(weights, [1 - 0.3, -2 + 0.5])
  })

  it("is SGD with Nesterov momentum, as PyTorch has it, and leaves what it is given", () => {
    const settings = { learningRate: 0.7, momentum: 0.9 }
    const first = outerStep(start, differences, settings)
    close(first.momentum, [0.3, -0.5])
    close(first.weights, [1 - 0.7 * 1.9 * 0.3, -2 + 0.7 * 1.9 * 0.5])
    const second = outerStep(first, [Float32Array.of(0.1, 0.1)], settings)
    close(second.momentum, [0.9 * 0.3 + 0.1, -0.9 * 0.5 + 0.1])
    close(second.weights, [
      first.weights[0]! - 0.7 * (0.1 + 0.9 * (0.9 * 0.3 + 0.1)),
      first.weights[1]! - 0.7 * (0.1 + 0.9 * (-0.9 * 0.5 + 0.1))
    ])
    assert.deepStrictEqual([...start.weights, ...start.momentum], [1, -2, 0, 0])
  })
})
