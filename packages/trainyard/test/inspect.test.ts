/** `trainyard inspect` on what a small real run has made, and on a kind that it does not know. */
import { cpSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { beforeAll, describe, expect, test } from "vitest"
import { make, type Specimens, textOf } from "./malformed/specimens.ts"
import { emptyFolder, inOneProcess, trainyard, write } from "./spawn.ts"
import { tinyPipeline } from "./tinyPipeline.ts"

const root = emptyFolder()
const place = { directory: root, env: { TRAINYARD_WORKSPACE: join(root, "whole") } }
const asked = inOneProcess()
let made: Specimens
beforeAll(async () => {
  made = await Effect.runPromise(make(root).pipe(Effect.provide(NodeServices.layer)))
}, 60_000)

const inspect = async (...args: ReadonlyArray<string>) => {
  const { code, stderr, stdout } = await asked(place, "inspect", ...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  return stdout
}

/** The folder as somebody would copy it: without the store's manifest. */
const copied = (folder: string): string => {
  const copy = join(emptyFolder(), "copy")
  cpSync(folder, copy, { recursive: true })
  rmSync(join(copy, "manifest.json"))
  return copy
}

describe("trainyard inspect", () => {
  test("a corpus: by kind, by licence, and a document by its number", async () => {
    const shown = await inspect("collect")
    expect(shown).toContain(`corpus  ${made.corpus}`)
    expect(shown).toMatch(/By kind\n.*\n {2}\.c +6 +\d/)
    expect(shown).toMatch(/By licence\n.*\n {2}unknown: none stated +6 +\d/)
    const document = await inspect(made.corpus, "--document", "2")
    expect(document).toContain("Document 2: file2.c")
    expect(document).toContain(textOf(2).trimEnd())
  })

  test("a split: its documents, and one by its number", async () => {
    const shown = await inspect("split")
    expect(shown).toMatch(/training +4 documents, \d/)
    expect(shown).toMatch(/Validation: documents\n.*\n +\d +file\d\.c/)
    const document = await inspect(made.split, "--document", "5")
    expect(document).toMatch(/Document 5: file\d\.c/)
    expect(document).toMatch(/split +test/)
  })

  test("a tokenizer: how a text is cut", async () => {
    expect(await inspect("tokenize")).toMatch(/vocabulary +280 entries, byte-pair/)
    const cut = await inspect("tokenize", "--text", "int value", "--json")
    const { sections } = JSON.parse(cut)
    expect(sections[0].title).toMatch(/^\d tokens for 9 bytes$/)
    const pieces = sections[0].table.rows.map((row: ReadonlyArray<string>) => JSON.parse(row[2] ?? ""))
    expect(pieces.join("")).toBe("int value")
  })

  test("a dataset: its windows as text", async () => {
    const shown = await inspect("dataset", "--show", "window=0")
    expect(shown).toMatch(/Window 0: tokens 0 to 127/)
    expect(shown).toMatch(/int value_\d/)
    expect(await inspect("dataset")).toMatch(/Validation: the first \d+ tokens, from file\d\.c/)
  })

  test("a run: its curve; by its path within the workspace too", async () => {
    const shown = await inspect(made.training.slice(made.training.indexOf("artifacts")))
    expect(shown).toMatch(/Best +step 2, validation loss \d/)
    expect(shown).toMatch(/Evaluations\n.*\n {2,}2 +\d\.\d+ +\d\.\d+/)
    expect(shown).toMatch(/Batch +2 windows of 8 tokens/)
  })

  test("a model: its tensors, its card and one tensor", async () => {
    const shown = await inspect("checkpoint")
    expect(shown).toMatch(/transformer\.wte\.weight +280 × 8 +2,240/)
    expect(shown).toContain("Card\n---")
    const tensor = await inspect("checkpoint", "--tensor", "transformer.ln_f.weight")
    expect(tensor).toMatch(/mean +\d/)
  })

  test("folders without a manifest: a published model, a dataset and a tokenizer, by their files", async () => {
    const model = copied(made.model)
    const shown = await inspect(model)
    expect(shown).toContain(`model  ${model}\n  without a manifest: known by its files`)
    expect(shown).toMatch(/Parameters +\d[\d,]*, /)
    expect(shown).toMatch(/transformer\.wte\.weight +280 × 8 +2,240/)
    expect(shown).toContain("Card\n---")
    expect(shown).toMatch(/Files\n.*\n(.*\n)* {2}model\.safetensors +[\d.]+ kB/)
    expect(await inspect(model, "--tensor", "transformer.ln_f.weight")).toMatch(/mean +\d/)
    const { kind, pipeline, value } = JSON.parse(await inspect(model, "--json"))
    expect({ kind, pipeline, size: value.vocabularySize }).toEqual({
      ...{ kind: "model", pipeline: null, size: 280 }
    })
    expect(await inspect(copied(made.dataset))).toMatch(/^dataset .*\n.*without a manifest/)
    expect(await inspect(copied(made.tokenizer))).toMatch(/^tokenizer .*\n.*without a manifest/)
  })

  test("a folder without a manifest that is not whole, or of a kind that needs one, is refused", async () => {
    const model = copied(made.model)
    writeFileSync(join(model, "config.json"), "{}")
    for (const [folder, sentence] of [
      [model, /cannot be used as a model: config\.json does not describe a model/],
      [copied(made.split), /is neither the folder of an artifact nor a stage/]
    ] as const) {
      const { code, stderr } = await asked(place, "inspect", folder)
      expect(code).toBe(2)
      expect(stderr).toMatch(sentence)
    }
  })

  test("what cannot be shown is said in a sentence, with exit code 2", async () => {
    for (const [args, sentence] of [
      [["tokenise"], /is neither the folder of an artifact nor a stage of run .* Did you mean "tokenize"\?/],
      [["collect", "--document", "6"], /"6" is no number of a document: give one from 0 to 5\.\n/],
      [["collect", "--text", "x"], /is a corpus, which has no text to show\. It has --document N\.\n/],
      [["collect", "--show", "document"], /Write it as --show NAME=VALUE/]
    ] as const) {
      const { code, stderr } = await asked(place, "inspect", ...args)
      expect(code).toBe(2)
      expect(stderr).toMatch(sentence)
    }
  })

  test("a damaged artifact is refused", async () => {
    const copy = emptyFolder()
    cpSync(made.corpus, copy, { recursive: true })
    writeFileSync(join(copy, "text.bin"), "short")
    const { code, stderr } = await asked(place, "inspect", copy)
    expect(code).toBe(1)
    expect(stderr).toMatch(/The corpus at .* is not whole/)
  })
})

test("a kind of a pipeline of one's own: by its value, and by its view where the pipeline is named", async () => {
  const directory = emptyFolder()
  write(directory, {
    "job.ts": tinyPipeline.replace(
      `name: "words", version: 1,`,
      `name: "words", version: 1, view: () => import("./view.ts"),`
    ),
    "view.ts": `import { View } from "trainyard"
export const view = {
  kind: "words", result: undefined, details: {},
  facts: ({ words }) => [{ label: "words", text: "five of them: " + words }],
  summary: () => { throw new Error("not shown") }, sections: () => { throw new Error("a bug") }
}
console.assert(typeof View.make === "function")
`
  })
  const own = { directory }
  await trainyard(own, "run", "job.ts", "--only", "read")
  const unknown = await trainyard(own, "inspect", "read")
  expect(unknown.stdout).toMatch(/Value\n\{\n {2}"words": 5\n\}/)
  expect(unknown.stderr).toMatch(/The kind "words" is not known here.*--pipeline/)
  const known = await trainyard(own, "inspect", "read", "--pipeline", "job.ts", "--json")
  expect(known.code).toBe(1)
  expect(known.stderr).toMatch(/The words at .* cannot be shown: .*a bug/)
})
