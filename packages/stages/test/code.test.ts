import module, { syncBuiltinESMExports } from "node:module"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterEach, describe, expect, it } from "@effect/vitest"
import * as Code from "@trainyard/core/Code"
import { CodeMemory, empty } from "@trainyard/core/cache/CodeMemory"
import { Effect } from "effect"
import * as stages from "../src/index.ts"

const declared = Object.values(stages).filter((value) => typeof value === "function" && "source" in value)
const read = Effect.forEach(declared, (stage) =>
  Effect.map(Code.read(stage.source, stage.name), (code) => [stage.name, code] as const)
).pipe(Effect.map((codes) => Object.fromEntries(codes)))

const { stripTypeScriptTypes } = module
afterEach(() => {
  module.stripTypeScriptTypes = stripTypeScriptTypes
  syncBuiltinESMExports()
})

describe("the code of each stage", () => {
  it.live("is its own and what it uses: no other stage's work, and of core its revision alone", () =>
    Effect.gen(function* () {
      const codes = yield* read
      expect(Object.keys(codes).sort()).toEqual([
        "checkpoint",
        "clean",
        "collect",
        "dataset",
        "import-model",
        "import-tokenizer",
        "refine",
        "split",
        "tokenize",
        "train",
        "validate"
      ])
      for (const code of Object.values(codes)) {
        expect(code.packages["@trainyard/core"]).toBe("revision 1")
        expect(Object.keys(code.files).filter((file) => file.startsWith("@trainyard/core/"))).toEqual([])
      }
      const uses = (stage: string, folder: string) =>
        Object.keys(codes[stage]!.files).some((file) => file.startsWith(`@trainyard/stages/src/${folder}/`))
      expect(uses("tokenize", "tokenize")).toBe(true)
      for (const [stage, others] of Object.entries({
        collect: [
          "clean",
          "refine",
          "split",
          "tokenize",
          "dataset",
          "train",
          "checkpoint",
          "validate",
          "model"
        ],
        refine: ["clean", "split", "tokenize", "dataset", "train", "checkpoint", "validate", "model"],
        split: ["clean", "refine", "tokenize", "dataset", "train", "checkpoint", "validate"],
        tokenize: ["clean", "dataset", "train", "checkpoint", "validate", "model"],
        dataset: ["clean", "train", "checkpoint", "validate"],
        train: ["clean", "collect", "checkpoint", "validate"],
        checkpoint: ["clean", "collect", "validate"],
        validate: ["clean", "collect"]
      })) {
        expect([stage, ...others.filter((other) => uses(stage, other))]).toEqual([stage])
      }
      // Engines have an identity of their own.
      expect(
        Object.keys(codes.train!.files).filter((file) =>
          /src\/(?:cpu|native|gpujs|webgpu|reference)\//.test(file)
        )
      ).toEqual([])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("is read without Node's own transformation of TypeScript, which Node 26 no longer has", () =>
    Effect.gen(function* () {
      const before = yield* read
      Object.assign(module, { stripTypeScriptTypes: undefined })
      syncBuiltinESMExports()
      expect(yield* read.pipe(Effect.provideService(CodeMemory, empty()))).toEqual(before)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
