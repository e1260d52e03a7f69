import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Pipeline from "../src/Pipeline.ts"
import * as Stage from "../src/Stage.ts"
import { Text, textStages } from "./harness.ts"

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
