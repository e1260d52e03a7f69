import { assert, describe, it } from "@effect/vitest"
import { engine } from "@trainyard/backends/reference/engine"
import { Effect } from "effect"
import { draws, permutation } from "../../../src/model/draws.ts"
import {
  type Initialization,
  initializationFault,
  initialWeights,
  parameters,
  type Spec
} from "../../../src/model/Parameters.ts"
import { generate, Ports, tensorsOf } from "../../../src/model/Programs.ts"

const spec: Spec = {
  model: {
    family: "qwen",
    embedding: 128,
    layers: 2,
    heads: 2,
    keyValueHeads: 1,
    hidden: 64,
    qkNorm: true,
    tied: true,
    theta: 10_000,
    epsilon: 1e-6,
    dropout: 0
  },
  vocabularySize: 300,
  sequenceLength: 64
}

/** How often the most likely next token is the one that followed the same token before, in a random text that is read twice. */
const copies = Effect.fnUntraced(function* (initialization: Initialization, seed: number) {
  const text = [...permutation(spec.vocabularySize, draws("text", seed))].slice(0, 32)
  const tokens = [...text, ...text]
  const program = generate(spec, tokens.length)
  const session = yield* engine.open(tensorsOf([program]), { threads: 1, precision: "f32" })
  const initial = initialWeights(spec, seed, initialization)
  for (const parameter of parameters(spec)) yield* session.write(parameter.name, initial(parameter))
  const outputs = yield* (yield* session.prepare(program)).run({
    [Ports.tokens]: Int32Array.from(tokens),
    [Ports.offset]: new Int32Array(1)
  })
  const logits = outputs[Ports.logits]!
  let right = 0
  for (let at = text.length; at < tokens.length - 1; at++) {
    const row = logits.subarray(at * spec.vocabularySize, (at + 1) * spec.vocabularySize)
    if (row.indexOf(Math.max(...row)) === tokens[at + 1]) right++
  }
  return right / (text.length - 1)
}, Effect.scoped)

const qwen = (changed: object): Spec => ({ ...spec, model: { ...spec.model, ...changed } as Spec["model"] })

describe("initial weights with an induction head", () => {
  for (const seed of [1, 2, 3])
    it.effect(`go on as the text did before, and random ones do not (seed ${seed})`, () =>
      Effect.gen(function* () {
        assert.isAtLeast(yield* copies("induction", seed), 0.4)
        assert.isAtMost(yield* copies("random", seed), 0.1)
      })
    )

  it("are the same for the same seed, and others for another", () => {
    const table = (seed: number) => initialWeights(spec, seed, "induction")(parameters(spec)[0]!)
    assert.deepStrictEqual(table(1), table(1))
    assert.notDeepEqual(table(1), table(2))
  })

  it("are refused where a model has no room for them", () => {
    assert.isUndefined(initializationFault(spec, "induction"))
    assert.include(initializationFault(qwen({ layers: 1 }), "induction"), "one layer")
    assert.include(initializationFault(qwen({ qkNorm: false }), "induction"), "QK-norm")
    assert.include(initializationFault(qwen({ tied: false }), "induction"), "output layer")
    assert.include(initializationFault(qwen({ theta: 2 }), "induction"), "model.theta")
    const gpt: Spec = {
      ...spec,
      model: { family: "gpt", embedding: 8, layers: 2, heads: 2 } as Spec["model"]
    }
    assert.include(initializationFault(gpt, "induction"), "GPT-2")
    assert.isUndefined(initializationFault(gpt, "random"))
  })
})
