/** What `validate` does in each language setting. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Pipeline from "@trainyard/core/Pipeline"
import * as Plan from "@trainyard/core/Plan"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Layer, Path } from "effect"
import { Dataset } from "../../src/dataset/Dataset.ts"
import { Model } from "../../src/generate/ModelArtifact.ts"
import * as Compiler from "../../src/languages/Compiler.ts"
import * as Language from "../../src/languages/Language.ts"
import { python3 } from "../../src/languages/python/compile.ts"
import { python } from "../../src/languages/python/python.ts"
import { validate } from "../../src/validate/validate.ts"
import { runStage } from "../runStage.ts"
import { layer, makeDataset, makeModel } from "./laboratory.ts"
import { source } from "./validateStage.ts"

const quick = {
  maxTokens: 40,
  documentPrompts: 2,
  baselinesToBeat: [],
  baselines: [2],
  yardsticks: []
} as const

/** Accepts what has an even number of characters: a language that this package does not know. */
const even = Language.make({
  name: "even",
  title: "Even",
  endings: ["c"],
  source: import.meta.url,
  prompts: ["ab"],
  notes: ["A text parses when its length is even."],
  externalDigest: Effect.succeed({ rule: "even" }),
  open: Effect.succeed({
    lastItem: (text) => ({ end: text.length, closing: "" }),
    firstError: (text) => (text.length % 2 === 0 ? null : "1:1: odd"),
    items: (text) => [{ start: 0, body: 4, end: Math.min(12, text.length) }]
  })
})

const place = Effect.fnUntraced(function* (ending = "c") {
  const path = yield* Path.Path
  const { root } = yield* Workspace
  const dataset = yield* makeDataset(path.join(root, `dataset-${ending}`), true, ending)
  const model = yield* makeModel(path.join(root, "model"))
  return { dataset, model }
})

const workspace = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return Workspace.layer(yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-language-" }))
  }).pipe(Effect.orDie)
).pipe(Layer.provideMerge(layer))

const node = (config: object) =>
  validate({ model: source(Model)(), dataset: source(Dataset)(), ...quick, ...config })

const pipeline = (config: object) => Pipeline.make("test", () => node(config))

const planned = (config: object, set: ReadonlyArray<string> = []) =>
  Effect.map(
    Plan.make(pipeline(config), { set }),
    ({ stages }) => stages.find(({ name }) => name === "validate")!
  )

const warningsOf = (events: ReadonlyArray<{ readonly type: string }>) =>
  events.flatMap((event) => (event.type === "Note" && "message" in event ? [String(event.message)] : []))

it.layer(workspace)("validate's language", (it) => {
  it.effect("is C by default where most of the text is C", () =>
    Effect.gen(function* () {
      const { artifact } = yield* runStage(node({ maxTokens: 80 }), yield* place())
      expect(artifact.value.language).toBe("c")
      expect(artifact.value.realParseShare).toBe(1)
      const { bitsPerByte, guided, parseShare } = artifact.value
      expect(guided).toMatchObject({ notGuided: 0, guided: { parses: guided?.prompts } })
      expect(guided?.free.parses).toBe((parseShare ?? 0) * (guided?.prompts ?? 0))
      const free = yield* runStage(node({ maxTokens: 80, guided: false }), yield* place())
      expect(free.artifact.value).toMatchObject({ bitsPerByte, parseShare, guided: null })
    })
  )

  it.effect("is none by default elsewhere, and a note names the language to choose", () =>
    Effect.gen(function* () {
      const { artifact, events } = yield* runStage(
        node({ prompts: ["a"], compileShareAtLeast: 0 }),
        yield* place("py")
      )
      const { value } = artifact
      expect(value).toMatchObject({ language: null, parseShare: null, compileShare: null, passed: false })
      expect(value.completions).toEqual({ total: 1, parses: 0, errors: 0, unfinished: 0, loops: 0 })
      expect(value.longestOverlap).not.toBeNull()
      expect(value.gates[0]!.why).toContain("no language is chosen")
      expect(warningsOf(events).join()).toContain('Give validate the language "python"')
      const page = yield* (yield* FileSystem.FileSystem).readFileString(`${artifact.directory}/report.md`)
      expect(page).toContain("No language is chosen")
      const other = yield* runStage(node({}), yield* place("rs"))
      expect(other.artifact.value.completions.total).toBe(0)
      expect(warningsOf(other.events).join()).toContain("Give validate a language")
    })
  )

  it.effect("may be none without a note", () =>
    Effect.gen(function* () {
      const { artifact, events } = yield* runStage(node({ language: "none" }), yield* place())
      expect(artifact.value.language).toBeNull()
      expect(warningsOf(events)).toEqual([])
    })
  )

  it.effect("may be Python", () =>
    Effect.gen(function* () {
      const { artifact } = yield* runStage(node({ language: "python" }), yield* place("py"))
      const { value } = artifact
      expect(value.language).toBe("python")
      expect(value.completions.total).toBe(python.prompts.length)
      const compiler = yield* Compiler.find(python3)
      expect(value.compiler).toBe(compiler.available ? compiler.name : compiler.why)
    })
  )

  it.effect("may be a value from another package, which decides prompts, items and what parses", () =>
    Effect.gen(function* () {
      const { artifact, events } = yield* runStage(node({ language: even }), yield* place())
      const { value } = artifact
      expect(value.language).toBe("even")
      expect(value.completions.total).toBe(3)
      expect(value.completions.parses + value.completions.errors).toBe(3)
      expect(value.compiler).toBe("Even has no compiler check")
      expect(events).toContainEqual(expect.objectContaining({ type: "Sample", prompt: "ab" }))
      const page = yield* (yield* FileSystem.FileSystem).readFileString(`${artifact.directory}/report.md`)
      expect(page).toContain("parses as Even")
      expect(page).toContain("- A text parses when its length is even.")
    })
  )
})

it.layer(workspace)("the cache key", (it) => {
  it.effect("has the language's name, its compiler and grammar, and its code", () =>
    Effect.gen(function* () {
      const own = yield* planned({ language: even })
      expect(own.keyParts.config.language).toBe("even")
      expect(own.keyParts.externalDigest).toEqual({ rule: "even" })
      expect(Object.keys(own.keyParts.code.files).join()).toContain("language.test.ts")
      const py = yield* planned({ language: "python" })
      const grammar = fileURLToPath(import.meta.resolve("tree-sitter-python/tree-sitter-python.wasm"))
      expect(py.keyParts.externalDigest).toEqual({
        compiler: yield* Compiler.describe(python3),
        grammar: createHash("sha256").update(readFileSync(grammar)).digest("hex")
      })
      expect(Object.keys(py.keyParts.code.files).join()).not.toContain("language.test.ts")
      expect((yield* planned({ language: "none" })).keyParts.externalDigest).toEqual({})
    })
  )

  it.effect("is the same for a built-in language by name, as a value and by --set", () =>
    Effect.gen(function* () {
      const byName = yield* planned({ language: "python" })
      expect((yield* planned({ language: python })).cacheKey).toBe(byName.cacheKey)
      expect((yield* planned({}, ["validate.language=python"])).cacheKey).toBe(byName.cacheKey)
    })
  )

  describe("is refused", () => {
    it.effect("for a language that nobody knows", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(planned({}, ["validate.language=ruby"]))
        expect(error.message).toBe(
          'Setting validate.language=ruby: validate.language is "ruby": expected "auto", "none", "c", "python" or a Language value that the pipeline imports.'
        )
      })
    )

    it.effect("for gates that need a language where there is none", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(planned({ language: "none", parseShareAtLeast: 0.5 }))
        expect(error.message).toContain('parseShareAtLeast cannot be measured, because language is "none"')
      })
    )
  })
})
