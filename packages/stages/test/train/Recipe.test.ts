import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { ModelConfig } from "../../src/model/ModelConfig.ts"
import { initializationFault } from "../../src/model/Parameters.ts"
import * as Qwen from "../../src/model/Qwen.ts"
import * as Recipe from "../../src/train/Recipe.ts"
import { TrainConfig } from "../../src/train/TrainConfig.ts"

describe("Recipe", () => {
  for (const [name, shape] of Object.entries({ tiny: Qwen.tiny, small: Qwen.small, medium: Qwen.medium }))
    it(`Qwen.${name} can begin as it says, with a context of 64 to 2,048 tokens`, () => {
      const { initialization } = Schema.decodeSync(TrainConfig)({ model: shape, ...Recipe.smallCorpus })
      const model = Schema.decodeSync(ModelConfig)(shape)
      for (const sequenceLength of [64, 128, 256, 512, 1024, 2048])
        expect(
          initializationFault({ model, vocabularySize: 2_000, sequenceLength }, initialization)
        ).toBeUndefined()
    })
})
