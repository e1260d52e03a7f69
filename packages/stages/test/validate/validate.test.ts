import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import type { StageEvent } from "@trainyard/core/RunEvent"
import { Effect, FileSystem, Path, Schema } from "effect"
import * as Compiler from "../../src/languages/Compiler.ts"
import { c } from "../../src/languages/c/c.ts"
import { gcc } from "../../src/languages/c/gcc.ts"
import { Completion, Report } from "../../src/validate/Report.ts"
import { runStage } from "../runStage.ts"
import { node, place, placed, quick, workspace } from "./validateStage.ts"

it.layer(workspace)("validate", (it) => {
  it.effect("measures, lets the model write, and leaves a whole report", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const { artifact, events } = yield* runStage(
        node({ ...quick, maxTokens: 160, prompts: ["int main", "struct"], bitsPerByteAtMost: 100 }),
        yield* place
      )
      const { value } = artifact
      expect(value.passed).toBe(true)
      // An untrained model knows nothing: each of the 257 tokens is as likely as any other.
      expect(value.loss).toBeCloseTo(Math.log(257), 0)
      expect(value.bitsPerByte).toBeCloseTo((value.loss * value.tokens) / Math.LN2 / value.bytes, 6)
      expect(value.baselines.map((each) => each.order)).toEqual([2, 5])
      expect(value.baselines[1]!.bitsPerByte).toBeLessThan(value.bitsPerByte)
      expect(value.kinds.map((each) => each.kind)).toEqual(["c", "md"])
      expect(value.completions.total).toBe(4)
      // What the documents say after their prompts is C, and fits.
      expect(value.realParseShare).toBe(1)
      expect((yield* fs.readDirectory(artifact.directory)).sort()).toEqual([
        "baseline.json",
        "completions.jsonl",
        "curve.svg",
        "junit.xml",
        "report.json",
        "report.md"
      ])
      const page = yield* fs.readFileString(path.join(artifact.directory, "report.md"))
      expect(page).toContain("at most 160 tokens, to the end of an item, drawn at temperature 0.8")
      expect(page).toContain("most likely, min-p 0.3, repetition penalty 1.1, DRY 1 × 1.75^(n - 8) (seed 1)")
      const json = yield* fs.readFileString(path.join(artifact.directory, "report.json"))
      expect(Schema.decodeUnknownSync(Schema.fromJsonString(Report.value))(json)).toEqual(value)
      const lines = (yield* fs.readFileString(path.join(artifact.directory, "completions.jsonl")))
        .trim()
        .split("\n")
      const completions = lines.map((line) =>
        Schema.decodeUnknownSync(Schema.fromJsonString(Completion))(line)
      )
      expect(completions.map((each) => each.prompt)).toEqual([
        "int main",
        "struct",
        expect.stringMatching(/\{$/),
        expect.stringMatching(/\{$/)
      ])
      expect(completions.every((each) => each.tokens <= 160)).toBe(true)
      const kinds = new Set(events.map((event: StageEvent) => event.type))
      expect([...kinds]).toEqual(expect.arrayContaining(["Progress", "Sample", "Gate"]))
    })
  )

  it.effect("goes by the test split, with the validation split's figures beside it", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const inputs = yield* place
      const { artifact } = yield* runStage(node(quick), inputs)
      const { value } = artifact
      expect(value.split).toBe("test")
      expect(inputs.dataset.value.test).toMatchObject({
        documents: value.documents,
        tokens: value.tokens,
        bytes: value.bytes
      })
      const beside = value.validation!
      expect(inputs.dataset.value.validation).toMatchObject({
        documents: beside.documents,
        tokens: beside.tokens,
        bytes: beside.bytes
      })
      expect(beside.baselines.map(({ order }) => order)).toEqual([2, 5])
      expect(beside.bitsPerByte).not.toBe(value.bitsPerByte)
      // A gate between the two figures is judged by the test split's.
      const between = (beside.bitsPerByte + value.bitsPerByte) / 2
      const gated = yield* runStage(node({ ...quick, bitsPerByteAtMost: between }), inputs)
      expect(gated.artifact.value.passed).toBe(value.bitsPerByte < between)
      const page = yield* fs.readFileString(`${artifact.directory}/report.md`)
      expect(page).toContain("Over the test split: 3 documents")
      expect(page).toContain("Over the validation split: 2 documents")
    })
  )

  it.effect("goes by the validation split where the dataset has no other, and says so", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { artifact, events } = yield* runStage(node(quick), yield* placed(false))
      const { value } = artifact
      expect(value.split).toBe("validation")
      expect(value.documents).toBe(2)
      expect(value.validation).toBeNull()
      const page = yield* fs.readFileString(`${artifact.directory}/report.md`)
      expect(page).toContain("The dataset has no test split. Training chose the state")
      expect(page).not.toContain("the test split:")
      expect(events).toContainEqual(
        expect.objectContaining({ type: "Note", message: expect.stringContaining("has no test split") })
      )
    })
  )

  it.effect("compares with yardsticks and, where it is asked to, measures adaptive prediction apart", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const inputs = yield* place
      const plain = (yield* runStage(node({ ...quick, documentPrompts: 0 }), inputs)).artifact
      expect(plain.value.adaptive).toBeNull()
      const { artifact } = yield* runStage(
        node({ ...quick, documentPrompts: 0, adaptive: true, adaptiveRatioToPpmdAtMost: 100 }),
        inputs
      )
      const { adaptive, ...value } = artifact.value
      // Nothing of the model depends on it.
      expect(value.bitsPerByte).toBe(plain.value.bitsPerByte)
      expect(value.yardsticks).toEqual(plain.value.yardsticks)
      const measured = new Map(value.yardsticks.map((each) => [each.name, each]))
      expect(measured.get("ppmd")).toMatchObject({ modelBetter: 0, median: expect.any(Number) })
      expect(measured.get("ngram-cache")!.bitsPerByte).toBeLessThan(value.bitsPerByte)
      for (const { interval, ratio } of value.baselines) {
        expect(interval!.low).toBeLessThan(interval!.high)
        expect(ratio.value).toBeGreaterThan(1)
      }
      expect(adaptive!.bitsPerByte).toBeLessThan(value.bitsPerByte)
      expect(adaptive!.against.map(({ name }) => name)).toEqual(["model", ...measured.keys()])
      expect(value.gates).toMatchObject([{ gate: "adaptive-ratio-to-ppmd", passed: true }])
      // The kinds' bits are those of the C documents, less their end tokens.
      expect(Object.keys(value.lexical[0]!.bitsPerByte)).toEqual([
        "model",
        "bigram",
        "5-gram",
        "ngram-cache",
        "adaptive"
      ])
      const bytes = value.lexical.reduce((sum, each) => sum + each.bytes, 0)
      expect(bytes).toBe(value.kinds.find(({ kind }) => kind === "c")!.bytes)
      const page = yield* fs.readFileString(`${artifact.directory}/report.md`)
      expect(page).toContain("### Adaptive prediction")
      expect(page).toContain("| PPMd, primed |")
    })
  )

  it.effect("says why it did not measure what is fitted where the dataset has no test split", () =>
    Effect.gen(function* () {
      const { artifact } = yield* runStage(
        node({ ...quick, documentPrompts: 0, adaptive: true, yardsticks: ["ngram-cache", "ppmd"] }),
        yield* placed(false)
      )
      const { adaptive, notMeasured, yardsticks } = artifact.value
      expect(adaptive).toBeNull()
      expect(yardsticks.map(({ name }) => name)).toEqual(["ppmd"])
      expect(notMeasured.map(({ name }) => name)).toEqual(["ngram-cache", "adaptive"])
      expect(notMeasured[0]!.why).toContain("has no test split")
    })
  )

  it.effect("warns that a model of another training split may have learned what judges it", () =>
    Effect.gen(function* () {
      const { dataset, model } = yield* place
      const { provenance } = model.value
      const warnings = Effect.fnUntraced(function* (changed: typeof provenance) {
        const { provenance: _, ...rest } = model.value
        const value = changed === undefined ? rest : { ...rest, provenance: changed }
        const { artifact, events } = yield* runStage(node(quick), { dataset, model: { ...model, value } })
        const page = yield* (yield* FileSystem.FileSystem).readFileString(`${artifact.directory}/report.md`)
        return {
          page,
          warned: events.filter(
            (event) => event.type === "Note" && event.message.includes("another training split")
          ).length,
          steps: new Set(events.flatMap((event) => (event.type === "Sample" ? [event.step] : [])))
        }
      })
      const same = yield* warnings(provenance)
      expect(same.warned).toBe(0)
      expect([...same.steps]).toEqual([20])
      const unknown = yield* warnings(undefined)
      expect(unknown.warned).toBe(0)
      expect(unknown.page).toContain("The model does not say what it was trained on")
      expect([...unknown.steps]).toEqual([null])
      // As many documents, tokens and bytes, and still other ones.
      const trainedOn = { ...dataset.value.train, digest: dataset.value.validation.digest }
      const other = yield* warnings({ ...provenance!, trainedOn })
      expect(other.warned).toBe(1)
      expect(other.page).toContain("trained on another training split")
    })
  )

  it.effect("has the compiler and the grammar of this machine in its cacheKey", () =>
    Effect.gen(function* () {
      const digest = yield* node(quick).externalDigest!({ language: c })
      const grammar = fileURLToPath(import.meta.resolve("tree-sitter-c/tree-sitter-c.wasm"))
      expect(digest).toEqual({
        compiler: yield* Compiler.describe(gcc),
        grammar: createHash("sha256").update(readFileSync(grammar)).digest("hex")
      })
    })
  )

  it.effect("writes the same report again from the same inputs", () =>
    Effect.gen(function* () {
      const inputs = yield* place
      const first = yield* runStage(node(quick), inputs)
      const second = yield* runStage(node(quick), inputs)
      expect(second.artifact.value).toEqual(first.artifact.value)
    })
  )

  it.effect("fails the run's gates, with a sentence, when one is out of reach; the report stands", () =>
    Effect.gen(function* () {
      const stage = node({ ...quick, prompts: ["int"], documentPrompts: 0, bitsPerByteAtMost: 0.01 })
      const { artifact, events } = yield* runStage(stage, yield* place)
      expect(artifact.value.passed).toBe(false)
      expect(stage.stage.gate(artifact.value)).toMatch(
        /^1 of 1 validation gates failed: bits-per-byte \([\d.]+, at most 0.01 asked for\)\.$/
      )
      expect(events).toContainEqual(
        expect.objectContaining({ type: "Gate", gate: "bits-per-byte", passed: false })
      )
    })
  )

  it.effect("asks by default that the bigram be beaten, which an untrained model does not", () =>
    Effect.gen(function* () {
      const stage = node({ maxTokens: 1, documentPrompts: 0, prompts: [], baselines: [] })
      const { artifact } = yield* runStage(stage, yield* place)
      expect(artifact.value.baselines.map((each) => each.order)).toEqual([2])
      expect(stage.stage.gate(artifact.value)).toContain("bits-per-byte-below-bigram")
    })
  )

  it.effect("fails a gate that cannot be measured, and shows why", () =>
    Effect.gen(function* () {
      const path = process.env.PATH
      const stage = node({ ...quick, prompts: ["int"], documentPrompts: 0, compileShareAtLeast: 0 })
      const inputs = yield* place
      const { artifact, events } = yield* Effect.acquireUseRelease(
        Effect.sync(() => {
          process.env.PATH = "/nowhere"
        }),
        () => runStage(stage, inputs),
        () =>
          Effect.sync(() => {
            process.env.PATH = path
          })
      )
      expect(artifact.value.compileShare).toBeNull()
      expect(artifact.value.compiler).toContain("no working gcc")
      expect(stage.stage.gate(artifact.value)).toContain("no working gcc")
      expect(events).toContainEqual(
        expect.objectContaining({ type: "Note", level: "warning", message: expect.stringContaining("gcc") })
      )
    })
  )
})
