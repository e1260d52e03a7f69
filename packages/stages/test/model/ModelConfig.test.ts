import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { faultOf, sizesOf, titleOf } from "../../src/model/families.ts"
import { medium as gptMedium, small as gptSmall, tiny as gptTiny } from "../../src/model/Gpt.ts"
import { ModelConfig, type ModelShape } from "../../src/model/ModelConfig.ts"
import { medium, small, tiny } from "../../src/model/Qwen.ts"

const decode = Schema.decodeUnknownResult(ModelConfig, { onExcessProperty: "error", errors: "all" })
const decoded = (shape: ModelShape) => Schema.decodeUnknownSync(ModelConfig)(shape)

const refusal = (value: unknown): string => {
  const result = decode(value)
  return result._tag === "Failure" ? result.failure.message : "accepted"
}

const sizes = { embedding: 8, layers: 1, heads: 2 }

describe("ModelConfig", () => {
  it("is GPT-2's without a family, with the value that it always had", () => {
    assert.deepStrictEqual(decoded(sizes), { ...sizes, bias: true, dropout: 0 })
    assert.strictEqual(titleOf(decoded({ ...sizes, family: "gpt" })), "GPT-2")
  })

  it("takes the family that is named", () => {
    assert.strictEqual(titleOf(decoded({ ...sizes, family: "qwen" })), "Qwen3")
    assert.strictEqual(titleOf(decoded({ ...sizes, family: "qwen", qkNorm: false })), "Llama")
    for (const shape of [gptTiny, gptSmall, gptMedium, tiny, small, medium, { ...small, layers: 6 }])
      assert.isUndefined(faultOf(decoded(shape)))
  })

  it("names what is wrong with the family that is meant, and no other", () => {
    assert.match(refusal({ ...sizes, heads: 0 }), /^Expected a value greater than 0\s+at \["heads"\]$/)
    assert.match(
      refusal({ ...sizes, family: "qwen", heads: 0 }),
      /^Expected a value greater than 0\s+at \["heads"\]$/
    )
    assert.match(
      refusal({ ...sizes, family: "qwen", bias: true }),
      /^Expected no excess property\s+at \["bias"\]$/
    )
    assert.match(refusal({ ...sizes, qkNorm: true }), /^Expected no excess property\s+at \["qkNorm"\]$/)
    assert.match(refusal({ ...sizes, family: "mamba" }), /^Expected "gpt" or "qwen"\s+at \["family"\]$/)
  })

  it("dropout is one number or one for each place", () => {
    const of = (dropout: unknown) => decode({ ...sizes, family: "qwen", dropout })
    assert.strictEqual(of(0.1)._tag, "Success")
    assert.deepInclude(decoded({ ...sizes, family: "qwen", dropout: { mlp: 0.1 } }), {
      dropout: { embedding: 0, attention: 0, mlp: 0.1 }
    })
    for (const wrong of [1, -0.1, { mlp: 1 }, { elsewhere: 0.1 }])
      assert.strictEqual(of(wrong)._tag, "Failure")
  })
})

describe("faultOf", () => {
  it("names the size that does not fit, and the fix", () => {
    assert.match(faultOf(decoded({ ...sizes, heads: 3 })) ?? "", /heads 3 does not divide model\.embedding 8/)
    const qwen = (change: Partial<typeof tiny>) => faultOf(decoded({ ...tiny, ...change })) ?? ""
    assert.match(qwen({ heads: 3 }), /heads 3 does not divide model\.embedding 128; .*headWidth/)
    assert.match(qwen({ keyValueHeads: 3 }), /keyValueHeads 3 does not divide model\.heads 4/)
    assert.match(qwen({ headWidth: 5 }), /width of a head is 5.*even/)
    assert.strictEqual(qwen({ heads: 3, keyValueHeads: 1, headWidth: 32 }), "")
  })
})

describe("sizesOf", () => {
  it("is the same for models whose weights fit each other", () => {
    const of = (shape: ModelShape) => sizesOf(decoded(shape))
    assert.strictEqual(of(small), of({ ...small, headWidth: 64, dropout: 0.2 }))
    assert.notStrictEqual(of(small), of({ ...small, keyValueHeads: 4 }))
    assert.notStrictEqual(of(small), of({ ...small, theta: 500 }))
    assert.notStrictEqual(of(tiny), of(gptTiny))
  })
})
