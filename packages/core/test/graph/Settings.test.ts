import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as fc from "fast-check"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import { InvalidSettings, resolve } from "../../src/graph/Settings.ts"
import * as Stage from "../../src/graph/Stage.ts"
import { Text } from "../harness.ts"

const defaulted = <S extends Schema.Top>(schema: S, value: S["Encoded"]) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))

const tokenize = Stage.make({
  name: "tokenize",
  version: 1,
  source: import.meta.url,
  inputs: {},
  output: Text,
  config: {
    vocabularySize: defaulted(Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))), 5000),
    title: defaulted(Schema.String, ""),
    model: defaulted(
      Schema.Struct({ layers: Schema.Int, kind: defaulted(Schema.Literals(["gpt", "rnn"]), "gpt") }),
      { layers: 2 }
    ),
    sources: defaulted(Schema.Array(Schema.Struct({ path: Schema.String })), [{ path: "a" }])
  },
  run: () => Effect.succeed({ length: 1 })
})
const pipeline = Pipeline.make("settings", () => tokenize())

const set = (...texts: ReadonlyArray<string>) =>
  Effect.map(resolve(pipeline, texts), (settings) => settings.get("tokenize")!.encoded)
const refusal = (...texts: ReadonlyArray<string>) =>
  Effect.map(Effect.flip(set(...texts)), (error) => error.message)

describe("--set", () => {
  it.effect("reads JSON where the text spells it, and text where the stage wants text", () =>
    Effect.gen(function* () {
      expect(yield* set("tokenize.vocabularySize=10000")).toMatchObject({ vocabularySize: 10_000 })
      expect(yield* set("tokenize.title=10000")).toMatchObject({ title: "10000" })
      expect(yield* set('tokenize.title="quoted"')).toMatchObject({ title: "quoted" })
      expect(yield* set("tokenize.title=a=b.c")).toMatchObject({ title: "a=b.c" })
      expect(yield* set("tokenize.title=")).toMatchObject({ title: "" })
      expect(yield* set('tokenize.model={"layers":4}')).toMatchObject({ model: { layers: 4, kind: "gpt" } })
    })
  )

  it.effect("reaches nested keys and entries of lists with dots; later ones win", () =>
    Effect.gen(function* () {
      expect(yield* set("tokenize.model.layers=8", "tokenize.model.kind=rnn")).toMatchObject({
        model: { layers: 8, kind: "rnn" }
      })
      expect(
        yield* set('tokenize.sources=[{"path":"x"},{"path":"y"}]', "tokenize.sources.1.path=z")
      ).toMatchObject({
        sources: [{ path: "x" }, { path: "z" }]
      })
      expect(yield* set("tokenize.vocabularySize=1", "tokenize.vocabularySize=2")).toMatchObject({
        vocabularySize: 2
      })
    })
  )

  it.effect("of a union's structs, names the settings of the one that is meant", () =>
    Effect.gen(function* () {
      const stage = Stage.make({
        name: "stage",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {
          model: Schema.Union([
            Schema.Struct({
              family: Schema.optionalKey(Schema.Literal("a")),
              bias: Schema.optionalKey(Schema.Boolean)
            }),
            Schema.Struct({ family: Schema.Literal("b"), theta: Schema.optionalKey(Schema.Int) })
          ])
        },
        run: () => Effect.succeed({ length: 1 })
      })
      const graph = Pipeline.make("union", () => stage({ model: { family: "b" } }))
      const { message } = yield* Effect.flip(resolve(graph, ["stage.model.bias=true"]))
      expect(message).toContain(`stage.model has no setting "bias". Its settings: family, theta.`)
    })
  )

  it.effect("says what is allowed, with the nearest spelling", () =>
    Effect.gen(function* () {
      expect(yield* refusal("tokenise.vocabularySize=1")).toBe(
        `Setting tokenise.vocabularySize=1: pipeline "settings" has no stage "tokenise". Did you mean "tokenize"? Its stages: tokenize.`
      )
      expect(yield* refusal("tokenize.vocabularysize=1")).toBe(
        `Setting tokenize.vocabularysize=1: tokenize has no setting "vocabularysize". Did you mean "vocabularySize"? Its settings: vocabularySize, title, model, sources.`
      )
      expect(yield* refusal("tokenize.model.layer=1")).toContain(
        `tokenize.model has no setting "layer". Did you mean "layers"? Its settings: layers, kind.`
      )
      expect(yield* refusal("tokenize.vocabularySize=lots")).toBe(
        `Setting tokenize.vocabularySize=lots: tokenize.vocabularySize is "lots": expected number.`
      )
      expect(yield* refusal("tokenize.vocabularySize=0")).toContain("greater than 0")
      expect(yield* refusal("tokenize.vocabularySize=https://me:MARKER@example.com/x")).toBe(
        `Setting tokenize.vocabularySize=https://***@example.com/x: tokenize.vocabularySize is "https://***@example.com/x": expected number.`
      )
      expect(yield* refusal("tokenize.model.kind=cnn")).toContain(
        `tokenize.model.kind is "cnn": expected "gpt" | "rnn"`
      )
      expect(yield* refusal("vocabularySize")).toContain("write it as stage.key=value")
    })
  )

  it.effect("finds a stage whose name has dots, and keeps its own words for a missing or unknown key", () =>
    Effect.gen(function* () {
      const sweep = Pipeline.make("sweep", () =>
        [0.1, 0.001].map((rate) => tokenize({ name: `tokenize-${rate}` }))
      )
      const settings = yield* resolve(sweep, ["tokenize-0.001.model.layers=7"])
      expect(settings.get("tokenize-0.001")!.encoded).toMatchObject({ model: { layers: 7, kind: "gpt" } })
      expect(settings.get("tokenize-0.1")!.encoded).toMatchObject({ model: { layers: 2 } })
      const wrong = yield* Effect.flip(resolve(sweep, ["tokenise-0.001.model.layers=7"]))
      expect(wrong.message).toContain(`has no stage "tokenise-0.001". Did you mean "tokenize-0.001"?`)

      // The kind of a problem is told by its tag: a Schema's own messages may say anything.
      const renamed = Stage.make({
        name: "renamed",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: { size: Schema.Int.pipe(Schema.annotateKey({ messageMissingKey: "Wie gross?" })) },
        run: () => Effect.succeed({ length: 1 })
      })
      const missing = yield* Effect.flip(resolve(Pipeline.make("p", () => renamed(JSON.parse("{}")))))
      expect(missing.message).toBe(`renamed needs a value for "size".`)
    })
  )

  it.effect("any text is taken or refused with a sentence", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.oneof(
            fc.string({ unit: "binary" }),
            fc.string().map((value) => `tokenize.vocabularySize=${value}`),
            fc.json().map((value) => `tokenize.model=${value}`),
            fc
              .array(
                fc.constantFrom(
                  "tokenize",
                  "model",
                  "layers",
                  "__proto__",
                  "constructor",
                  "0",
                  "",
                  "sources"
                ),
                { maxLength: 5 }
              )
              .map((path) => `${path.join(".")}=1`)
          ),
          async (text) => {
            const outcome = await Effect.runPromise(Effect.result(set(text)))
            if (outcome._tag === "Failure") {
              expect(outcome.failure).toBeInstanceOf(InvalidSettings)
              expect(outcome.failure.message.length).toBeGreaterThan(10)
            }
          }
        ),
        { numRuns: 150 }
      )
    )
  )
})

it.effect("a wrong value in the pipeline file is refused in the same words", () =>
  Effect.gen(function* () {
    const wrong = Pipeline.make("wrong", () =>
      tokenize(JSON.parse(`{ "vocabularySize": "many", "extra": 1 }`))
    )
    const error = yield* Effect.flip(resolve(wrong))
    expect(error.message).toContain(`tokenize has no setting "extra".`)
    expect(error.message).toContain(`tokenize.vocabularySize is "many": expected number.`)
  })
)

describe("values that each fit and cannot stand together", () => {
  const split = Stage.make({
    name: "split",
    version: 1,
    source: import.meta.url,
    inputs: {},
    output: Text,
    config: { parts: Schema.optionalKey(Schema.Int), size: Schema.optionalKey(Schema.Int) },
    validateConfig: ({ parts, size }) =>
      parts !== undefined && size !== undefined
        ? `parts (${parts}) and size (${size}) are both given.`
        : undefined,
    run: () => Effect.succeed({ length: 1 })
  })
  const tried = (
    config: { readonly parts?: number; readonly size?: number },
    ...texts: ReadonlyArray<string>
  ) =>
    resolve(
      Pipeline.make("splits", () => split({ name: "halves", ...config })),
      texts
    )

  it.effect("are refused in the stage's words, with the settings that led to it", () =>
    Effect.gen(function* () {
      expect((yield* tried({ parts: 2 })).get("halves")?.encoded).toEqual({ parts: 2 })
      const both = yield* Effect.flip(tried({ parts: 2, size: 3 }))
      expect(both.message).toBe("halves: parts (2) and size (3) are both given.")
      const set = yield* Effect.flip(tried({ parts: 2 }, "halves.size=3"))
      expect(set.message).toBe("Setting halves.size=3: halves: parts (2) and size (3) are both given.")
    })
  )
})
