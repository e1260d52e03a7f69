import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as fc from "fast-check"
import * as Parameters from "../../src/graph/Parameters.ts"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import { textStages } from "../harness.ts"

const { write } = textStages()

const fields = {
  rate: Schema.Finite.check(Schema.isGreaterThan(0)).pipe(
    Schema.annotate({ description: "Learning rate" }),
    Schema.withDecodingDefaultKey(Effect.succeed(0.1))
  ),
  rates: Schema.Array(Schema.Finite).pipe(Schema.withDecodingDefaultKey(Effect.succeed([1]))),
  steps: Schema.Int,
  kind: Schema.Literals(["gpt", "rnn"]).pipe(
    Schema.annotateKey({ description: "Which model" }),
    Schema.withDecodingDefaultKey(Effect.succeed("gpt" as const))
  ),
  note: Schema.optionalKey(Schema.String)
}

const given = (text: string): Parameters.Given => {
  const [name = "", ...value] = text.split("=")
  return { name, text: value.join("="), from: "--param", cited: `--param ${text}` }
}
const resolve = (...texts: ReadonlyArray<string>) =>
  Parameters.resolve("job", fields, texts.map(given), (name) => `give --param ${name}=VALUE`)
const values = (...texts: ReadonlyArray<string>) => Effect.map(resolve(...texts), (all) => all.values)
const refusal = (...texts: ReadonlyArray<string>) => Effect.map(Effect.flip(resolve(...texts)), String)

describe("parameters", () => {
  it.effect("are decoded by their Schemas, the last value counts, and the rest takes its default", () =>
    Effect.gen(function* () {
      expect(yield* values("steps=3", "rate=0.5", "rate=0.25", "note=10")).toEqual({
        rate: 0.25,
        rates: [1],
        steps: 3,
        kind: "gpt",
        note: "10"
      })
      expect(yield* values("steps=3", "rates=0.1, 2e-3")).toMatchObject({ rates: [0.1, 0.002] })
      expect(yield* values("steps=3", "rates=[0.1]")).toMatchObject({ rates: [0.1] })
      expect(yield* values("steps=3", "rates=0.1")).toMatchObject({ rates: [0.1] })
      expect(yield* values("steps=3", "note=")).toMatchObject({ note: "" })
    })
  )

  it.effect("are documented with type, description, default and the value in force", () =>
    Effect.gen(function* () {
      const { parameters } = yield* resolve("steps=3", "kind=rnn")
      expect(parameters).toEqual([
        {
          name: "rate",
          type: "number (a value greater than 0)",
          description: "Learning rate",
          default: 0.1,
          value: 0.1,
          from: "default"
        },
        { name: "rates", type: "list of number", default: [1], value: [1], from: "default" },
        { name: "steps", type: "integer", value: 3, from: "--param" },
        {
          name: "kind",
          type: `"gpt" | "rnn"`,
          description: "Which model",
          default: "gpt",
          value: "rnn",
          from: "--param"
        },
        { name: "note", type: "string" }
      ])
    })
  )

  it.effect("that are unknown, wrong or missing are refused in a sentence", () =>
    Effect.gen(function* () {
      expect(yield* refusal("steps=3", "raet=1")).toContain(
        `--param raet=1: pipeline "job" has no parameter "raet". Did you mean "rate"? Its parameters: rate, rates, steps, kind, note.`
      )
      expect(yield* refusal("steps=3", "rate=fast")).toContain(
        `--param rate=fast: rate is "fast": expected number.`
      )
      expect(yield* refusal("steps=3", "rate=0")).toContain("rate is 0: expected a value greater than 0.")
      expect(yield* refusal("steps=3", "kind=cnn")).toContain(`kind is "cnn": expected "gpt" | "rnn"`)
      expect(yield* refusal("steps=3", "steps=https://me:MARKER@example.com")).not.toContain("MARKER")
      expect(yield* refusal()).toContain(
        `Pipeline "job" needs a value for its parameter "steps" (integer): give --param steps=VALUE.`
      )
      const none = yield* Effect.flip(Parameters.resolve("bare", {}, [given("a=1")]))
      expect(none.message).toBe(`--param a=1: pipeline "bare" has no parameters.`)
    })
  )

  it.effect("take or refuse any text", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom("rate", "rates", "steps", "kind", "note"),
          fc.string(),
          async (name, text) => {
            const outcome = await Effect.runPromise(Effect.result(resolve("steps=1", `${name}=${text}`)))
            if (outcome._tag === "Failure") {
              expect(outcome.failure).toBeInstanceOf(Parameters.InvalidParameter)
              expect(outcome.failure.message).toMatch(/\.$/)
            } else expect(Object.keys(outcome.success.values)).toContain("steps")
          }
        ),
        { numRuns: 150 }
      )
    )
  )
})

describe("a pipeline with parameters", () => {
  it("is built with their values, and not before", () => {
    let built = 0
    const job = Pipeline.make("job", { parameters: { count: Schema.Int } }, ({ count }) => {
      built++
      return Array.from({ length: count }, (_, index) => write({ name: `write-${index}` }))
    })
    expect([built, Pipeline.isParameterized(job), Pipeline.isPipeline(job)]).toEqual([0, true, false])
    expect(job.build({ count: 2 }).nodes.map(({ name }) => name)).toEqual(["write-0", "write-1"])
    expect(() => job.build({ count: 0 })).toThrow("returned an empty list")
    // @ts-expect-error the parameter is a number
    expect(() => job.build({ count: "3" }).nodes.length).not.toThrow()
    expect(() => Pipeline.make("job", { parameters: { "no-dash": Schema.Int } }, () => write())).toThrow(
      `"no-dash" cannot name a parameter`
    )
  })
})
