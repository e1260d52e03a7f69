/** Evaluation results in a model card's front matter. */
import { expect, test } from "vitest"
import { modelIndex, type Result, withResults } from "../../src/checkpoint/modelIndex.ts"

const results: ReadonlyArray<Result> = [
  { split: "test", metrics: [{ type: "perplexity", name: "Perplexity per token", value: 67.961234 }] }
]

test("has the title and each figure as the Hub reads them", () => {
  expect(modelIndex('A "small" model', results).join("\n")).toBe(`model-index:
- name: "A \\"small\\" model"
  results:
  - task:
      type: text-generation
      name: Text generation
    dataset:
      type: trainyard
      name: The test split of its own corpus
      split: test
    metrics:
    - type: perplexity
      name: "Perplexity per token"
      value: 67.9612`)
  expect(modelIndex("A model", [])).toEqual([])
})

test("takes the place of earlier results, and leaves the rest of the card", () => {
  const card = (index: string) =>
    `---\nlanguage: code\n${index}license: "MIT"\n---\n\n# A model\n\nText: yes.\n`
  const old = `${modelIndex("Old", [{ split: "validation", metrics: [] }]).join("\n")}\n`
  const expected = `---\nlanguage: code\nlicense: "MIT"\n${modelIndex("A model", results).join("\n")}\n---\n\n# A model\n\nText: yes.\n`
  expect(withResults(card(""), results)).toBe(expected)
  expect(withResults(card(old), results)).toBe(expected)
  expect(withResults(expected, results)).toBe(expected)
  expect(withResults("# A model\n", results)).toBeUndefined()
})
