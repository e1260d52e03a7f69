import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { runStage } from "../runStage.ts"
import { tokenizerJson } from "./laboratory.ts"
import { node, place, quick, workspace } from "./validateStage.ts"

it.layer(workspace)("validate", (it) => {
  describe("refuses, naming the thing and the hint,", () => {
    const refusal = (
      spoil: (inputs: Effect.Success<typeof place>) => Effect.Effect<unknown, unknown, FileSystem.FileSystem>
    ) =>
      Effect.gen(function* () {
        const inputs = yield* place
        yield* spoil(inputs)
        const failure = yield* Effect.flip(runStage(node({ ...quick, prompts: [] }), inputs))
        return (failure as { readonly message: string }).message
      })
    const replace = (file: (inputs: Effect.Success<typeof place>) => string, content: string | Uint8Array) =>
      refusal((inputs) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          yield* fs.writeFile(file(inputs), typeof content === "string" ? Buffer.from(content) : content)
        })
      )

    it.effect("a dataset of another tokenizer", () =>
      Effect.gen(function* () {
        const { dataset, model } = yield* place
        const value = { ...dataset.value, tokenizer: "0".repeat(64) }
        const failure = yield* Effect.flip(runStage(node(quick), { dataset: { ...dataset, value }, model }))
        expect(failure).toMatchObject({
          message: expect.stringContaining("were made with different tokenizers")
        })
      })
    )

    it.effect("a dataset whose tokenizer was exchanged", () =>
      Effect.gen(function* () {
        const message = yield* replace(
          ({ dataset }) => `${dataset.directory}/tokenizer.json`,
          tokenizerJson("##")
        )
        expect(message).toContain("is not the one that what lies beside it was made with")
      })
    )

    it.effect("a token file that was changed", () =>
      Effect.gen(function* () {
        const message = yield* refusal(({ dataset }) =>
          Effect.gen(function* () {
            const fs = yield* FileSystem.FileSystem
            const file = `${dataset.directory}/train.bin`
            const bytes = yield* fs.readFile(file)
            bytes[0] = bytes[0]! ^ 1
            yield* fs.writeFile(file, bytes)
          })
        )
        expect(message).toContain("train.bin is not what was written")
      })
    )

    it.effect("a token file that was cut", () =>
      Effect.gen(function* () {
        const message = yield* replace(({ dataset }) => `${dataset.directory}/test.bin`, new Uint8Array(20))
        expect(message).toMatch(/test\.bin has 20 bytes where \d+ should be/)
      })
    )

    it.effect("a list of documents that is none", () =>
      Effect.gen(function* () {
        const message = yield* replace(({ dataset }) => `${dataset.directory}/documents.jsonl`, "{}\n")
        expect(message).toContain("documents.jsonl does not describe a document in line 1")
      })
    )

    it.effect("weights that were cut", () =>
      Effect.gen(function* () {
        const message = yield* replace(
          ({ model }) => `${model.directory}/model.safetensors`,
          new Uint8Array(100)
        )
        expect(message).toContain("model.safetensors")
      })
    )
  })
})
