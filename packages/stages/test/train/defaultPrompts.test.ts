import { NodeServices } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { defaultPrompts } from "../../src/train/defaultPrompts.ts"

it.layer(NodeServices.layer)("default prompts of samples", (it) => {
  for (const [what, documents, first] of [
    ["C where most of the text is C", { c: 60, h: 10, py: 40 }, "int main"],
    ["Python where most of the text is Python", { c: 60, py: 70 }, "def main"],
    ["a document's beginning elsewhere", { c: 40, py: 40, md: 40 }, ""],
    ["a document's beginning without documents", {}, ""]
  ] as const) {
    it.effect(`are those of ${what}`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped()
        const lines = Object.entries(documents).map(([kind, bytes], id) =>
          JSON.stringify({
            id,
            path: `a.${kind}`,
            origin: "a",
            kind,
            split: "train",
            start: 0,
            tokens: 1,
            bytes
          })
        )
        yield* fs.writeFileString(`${directory}/documents.jsonl`, lines.map((line) => `${line}\n`).join(""))
        expect((yield* defaultPrompts(directory))[0]).toBe(first)
      })
    )
  }
})
