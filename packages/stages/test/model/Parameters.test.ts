import { describe, expect, it } from "vitest"
import { names } from "../../src/model/gpt/parameters.ts"
import { initialValues, type Parameter, parameters, type Spec } from "../../src/model/Parameters.ts"

const spec = (embedding: number, sequenceLength: number): Spec => ({
  model: { embedding, layers: 2, heads: 1, bias: true, dropout: 0 },
  vocabularySize: 50,
  sequenceLength
})

const named = (spec: Spec, name: string): Parameter => {
  const found = parameters(spec).find((parameter) => parameter.name === name)
  if (found === undefined) throw new Error(`no parameter ${name}`)
  return found
}

const positionsOf = (embedding: number, sequenceLength: number) => {
  const values = initialValues(named(spec(embedding, sequenceLength), names.positions), 1)
  const row = (index: number) => values.subarray(index * embedding, (index + 1) * embedding)
  const product = (a: number, b: number) =>
    row(a).reduce((sum, value, column) => sum + value * row(b)[column]!, 0)
  return { values, product }
}

describe("the values that training starts from", () => {
  it("make positions alike by their distance, wherever they stand", () => {
    const { product } = positionsOf(64, 128)
    for (const distance of [0, 1, 2, 7, 40]) {
      const atTheStart = product(0, distance)
      for (const start of [1, 30, 80]) expect(product(start, start + distance)).toBeCloseTo(atTheStart, 7)
    }
  })

  it("tell every two positions apart", () => {
    const { product } = positionsOf(16, 128)
    const itself = product(0, 0)
    for (let distance = 1; distance < 128; distance++)
      expect(product(0, distance)).toBeLessThan(0.9999 * itself)
  })

  it.each([
    [1, 1],
    [3, 5],
    [64, 128]
  ])("give positions of width %i and length %i the size of token embeddings", (embedding, length) => {
    const { values } = positionsOf(embedding, length)
    expect(values).toHaveLength(embedding * length)
    expect(values.every(Number.isFinite)).toBe(true)
    if (embedding % 2 === 0) {
      const square = values.reduce((sum, value) => sum + value * value, 0) / values.length
      expect(Math.sqrt(square)).toBeCloseTo(0.02, 6)
    }
  })

  it("are the same for the same seed, and others for another", () => {
    const table = named(spec(8, 4), names.table)
    expect(initialValues(table, 1)).toEqual(initialValues(table, 1))
    expect(initialValues(table, 2)).not.toEqual(initialValues(table, 1))
  })
})

describe("weight decay", () => {
  it("touches the matrices, and neither biases nor gains nor positions", () => {
    const decaying = parameters(spec(8, 4)).filter((parameter) => parameter.decays)
    expect(decaying.map((parameter) => parameter.name)).toContain(names.table)
    expect(decaying.every((parameter) => parameter.shape.length === 2)).toBe(true)
    expect(decaying.map((parameter) => parameter.name)).not.toContain(names.positions)
    expect(parameters(spec(8, 4)).length - decaying.length).toBeGreaterThan(10)
  })
})
