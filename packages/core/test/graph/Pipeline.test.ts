import { describe, expect, it } from "@effect/vitest"
import { Effect, type FileSystem, Schema } from "effect"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import * as Runner from "../../src/run/Runner.ts"
import * as Artifact from "../../src/store/Artifact.ts"
import { live, runAll, Text, textStages } from "../harness.ts"

const { double, write } = textStages()
const names = (pipeline: Pipeline.Any) => pipeline.nodes.map((node) => node.name)

describe("make", () => {
  it("orders nodes after what they read, each once", () => {
    const diamond = Pipeline.make("diamond", () => {
      const text = write()
      const left = double({ name: "left", text })
      const right = double({ name: "right", text, after: [left] })
      return [right, double({ name: "last", text: left })]
    })
    expect(names(diamond)).toEqual(["write", "left", "right", "last"])
    expect(Pipeline.isPipeline(diamond)).toBe(true)
    expect(Pipeline.isPipeline({ name: "diamond" })).toBe(false)
  })

  it("refuses a name used twice, a bad name, a missing node, nothing, and a circle", () => {
    expect(() => Pipeline.make("twice", () => double({ text: write(), name: "write" }))).toThrow(
      `Pipeline "twice" has two stages named "write": give one of them another name, as in`
    )
    expect(() => Pipeline.make("named", () => write({ name: "my/write" }))).toThrow(
      `"my/write" cannot name a stage`
    )
    const climbing = Stage.make({
      name: "../up",
      version: 1,
      source: import.meta.url,
      inputs: {},
      output: Text,
      config: {},
      run: () => Effect.succeed({ length: 1 })
    })
    expect(() => Pipeline.make("named", () => climbing({ name: "fine" }))).toThrow(
      `"../up" cannot name a stage`
    )
    expect(() => Pipeline.make("../up", () => write())).toThrow(`"../up" cannot name a pipeline`)
    // @ts-expect-error a stage in the place of a list of them
    expect(() => Pipeline.make("late", () => write({ after: write({ name: "first" }) }))).toThrow(
      `"after" of stage "write" in pipeline "late" is not a list: write after: [stage].`
    )
    const unwired = JSON.parse(`{}`)
    expect(() => Pipeline.make("unwired", () => double(unwired))).toThrow(
      `Stage "double" of pipeline "unwired" has no "text": give it the stage that makes a text.`
    )
    // @ts-expect-error a builder that returns nothing
    expect(() => Pipeline.make("nothing", () => undefined)).toThrow("it returned nothing")
    const circle: Stage.Node = double({ text: write() })
    expect(() => Pipeline.make("circle", () => Object.assign(circle, { inputs: { text: circle } }))).toThrow(
      "wait for each other in a circle: double → double"
    )
  })
})

describe("results", () => {
  it("may be lists and records of stages, nested, and names may hold a dot", () => {
    const rates = [0.1, 0.001]
    const swept = Pipeline.make("swept", () => ({
      texts: rates.map((rate) => write({ name: `write-${rate}` })),
      more: [[double({ text: write() })]]
    }))
    expect(names(swept)).toEqual(["write-0.1", "write-0.001", "write", "double"])
    expect(swept.results.map(({ name }) => name)).toEqual(["write-0.1", "write-0.001", "double"])
    const alone = write()
    expect(Pipeline.make("twice", () => [alone, alone]).results).toHaveLength(1)
  })

  it("must hold at least one stage at each place", () => {
    const rates: ReadonlyArray<number> = []
    expect(() => Pipeline.make("none", () => rates.map(() => write()))).toThrow(
      `The function of pipeline "none" returned an empty list: return at least one stage.`
    )
    expect(() => Pipeline.make("none", () => ({ texts: rates.map(() => write()), other: write() }))).toThrow(
      "returned an empty list at texts"
    )
    // @ts-expect-error a number among the stages
    expect(() => Pipeline.make("wrong", () => [write(), 3])).toThrow("something else at 1")
    expect(() => Pipeline.make("dots", () => write({ name: "write." }))).toThrow(`no "." at the end`)
    expect(() => Pipeline.make("dots", () => write({ name: "..write" }))).toThrow("cannot name a stage")
  })
})

describe("optional inputs", () => {
  const Number = Artifact.kind({ name: "number", version: 1, value: Schema.Struct({ value: Schema.Int }) })
  const count = Stage.make({
    name: "count",
    version: 1,
    source: import.meta.url,
    inputs: { text: Text, base: Stage.optional(Number, Text) },
    output: Number,
    config: { least: Schema.optionalKey(Schema.Int) },
    validateConfig: ({ least }, given) =>
      least === undefined && !given.base ? "least is missing: give it, or give a base." : undefined,
    run: ({ config, inputs }) =>
      Effect.succeed({
        value:
          inputs.text.value.length +
          (config.least ?? 0) +
          (inputs.base === undefined ? 0 : inputs.base.kind === "text" ? 1000 : inputs.base.value.value)
      })
  })
  const valueOf = (pipeline: Pipeline.Pipeline<Artifact.Kind, unknown, FileSystem.FileSystem>) =>
    Effect.map(runAll(pipeline), ({ result }) => ({
      names: result.stages.map(({ name, status }) => `${name} ${status}`),
      value: result.stages.at(-1)!.artifact?.value
    }))

  it.live("feed the stage where they are given, and are part of its name", () =>
    Effect.gen(function* () {
      const text = write()
      const alone = count({ text, least: 1, base: undefined })
      expect(yield* valueOf(Pipeline.make("alone", () => alone))).toEqual({
        names: ["write ran", "count ran"],
        value: { value: 6 }
      })
      expect(yield* valueOf(Pipeline.make("onText", () => count({ text, base: double({ text }) })))).toEqual({
        names: ["write cached", "double ran", "count ran"],
        value: { value: 1005 }
      })
      const onNumber = count({ name: "second", text, least: 1, base: alone })
      expect(yield* valueOf(Pipeline.make("onNumber", () => onNumber))).toEqual({
        names: ["write cached", "count cached", "second ran"],
        value: { value: 12 }
      })
    }).pipe(Effect.provide(live))
  )

  it.live("a setting may be demanded only where one was left out", () =>
    Effect.gen(function* () {
      const text = write()
      const error = yield* Runner.plan(Pipeline.make("bare", () => count({ text }))).pipe(Effect.flip)
      expect(error.message).toBe("count: least is missing: give it, or give a base.")
      yield* Runner.plan(Pipeline.make("based", () => count({ text, base: text })))
    }).pipe(Effect.provide(live))
  )

  it("refuses an artifact of another kind though no compiler looked", () => {
    const wrong: Stage.Node = count({ text: write(), least: 1 })
    const wired = JSON.parse("{}")
    expect(() => Pipeline.make("wrong", () => double({ ...wired, text: wrong }))).toThrow(
      `"text" of stage "double" in pipeline "wrong" is count, which makes a number: give it the stage that makes a text.`
    )
    expect(() => Pipeline.make("wrong", () => count({ ...wired, base: "scratch", text: write() }))).toThrow(
      `Stage "count" of pipeline "wrong" has no "base": give it the stage that makes a number or a text.`
    )
  })
})

describe("drawing", () => {
  const pipeline = Pipeline.make("drawn", () => double({ name: "twice", text: write() }))

  it("as Mermaid", () => {
    const text = Pipeline.toMermaid(pipeline)
    expect(text).toContain("flowchart LR")
    expect(text).toContain(`0["write ▸ text"]`)
    expect(text).toContain(`0 -->|"text"| 1`)
  })

  it("as DOT", () => {
    const text = Pipeline.toDot(pipeline)
    expect(text).toContain(`digraph "drawn" {`)
    expect(text).toContain(`"1" [label="twice (double) ▸ text"];`)
    expect(text).toContain(`"0" -> "1" [label="text"];`)
  })
})
