/**
 * Wiring is checked by the compiler: `tsc --noEmit` fails here when a wrong pipeline would compile (an unused @ts-expect-error) or a
 * right one would not.
 */
import { describe, expectTypeOf, it } from "@effect/vitest"
import { Context, Effect, Schema } from "effect"
import type { EventStream } from "../../src/events/EventStream.ts"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import { Journal } from "../../src/run/Journal.ts"
import * as Runner from "../../src/run/Runner.ts"
import * as Artifact from "../../src/store/Artifact.ts"

const A = Artifact.kind({ name: "a", version: 1, value: Schema.Struct({ size: Schema.Int }) })
const B = Artifact.kind({ name: "b", version: 1, value: Schema.Struct({ label: Schema.String }) })
class Need extends Context.Service<Need, { readonly x: number }>()("Need") {}
class Bad extends Schema.TaggedError<Bad>()("Bad", { message: Schema.String }) {}

const makeA = Stage.make({
  name: "make-a",
  version: 1,
  source: import.meta.url,
  inputs: {},
  output: A,
  config: { size: Schema.Int.pipe(Schema.withDecodingDefault(Effect.succeed(3))) },
  run: Effect.fn("makeA")(function* ({ config }) {
    const need = yield* Need
    const journal = yield* Journal
    yield* journal.publish({ type: "Note", level: "info", message: "made" })
    return { size: config.size + need.x }
  })
})
const makeB = Stage.make({
  name: "make-b",
  version: 1,
  source: import.meta.url,
  inputs: { a: A },
  output: B,
  config: { label: Schema.String },
  run: ({ config, inputs }) =>
    inputs.a.value.size > 3 ? Effect.fail(new Bad({ message: "x" })) : Effect.succeed({ label: config.label })
})

describe("a stage's call", () => {
  it("infers errors and requirements through its inputs and what it comes after", () => {
    const a = makeA()
    const b = makeB({ a, label: "x" })
    expectTypeOf<Stage.ErrorOf<typeof b>>().toEqualTypeOf<Bad>()
    expectTypeOf<Stage.ServicesOf<typeof b>>().toEqualTypeOf<Need | Journal>()
    const late = makeA({ size: 4, name: "late", after: [b] })
    expectTypeOf<Stage.ErrorOf<typeof late>>().toEqualTypeOf<Bad>()
  })

  it("refuses wrong wiring and wrong config", () => {
    const a = makeA()
    const b = makeB({ a, label: "x" })
    // @ts-expect-error a wrong artifact
    makeB({ a: b, label: "x" })
    // @ts-expect-error a missing input
    makeB({ label: "x" })
    // @ts-expect-error no arguments where an input is needed
    makeB()
    // @ts-expect-error a misspelt config key
    makeB({ a, label: "x", lable: "y" })
    // @ts-expect-error a wrong config value
    makeB({ a, label: 4 })
    // @ts-expect-error a missing config key
    makeB({ a })
    // @ts-expect-error a misspelt config key of a stage whose config may be left out
    makeA({ sized: 4 })
    // @ts-expect-error an errors channel that is too narrow
    const narrow: Stage.Node<typeof B, never, Need | Journal> = b
    // @ts-expect-error a requirements channel that is too narrow
    const light: Stage.Node<typeof B, Bad, never> = b
    expectTypeOf(narrow).toBeObject()
    expectTypeOf(light).toBeObject()
  })

  it("gives the stage's Effect its decoded config and its inputs' values", () => {
    Stage.make({
      name: "typed",
      version: 1,
      source: import.meta.url,
      inputs: { a: A, b: B },
      output: A,
      config: { every: Schema.FiniteFromString },
      excludeFromCacheKey: ["every"],
      run: ({ config, inputs }) => {
        expectTypeOf(config.every).toEqualTypeOf<number>()
        expectTypeOf(inputs.a.value).toEqualTypeOf<{ readonly size: number }>()
        expectTypeOf(inputs.b.value.label).toEqualTypeOf<string>()
        return Effect.succeed({ size: 1 })
      }
    })
    Stage.make({
      name: "wrong-value",
      version: 1,
      source: import.meta.url,
      inputs: {},
      output: A,
      config: {},
      // @ts-expect-error a value that is not the output's
      run: () => Effect.succeed({ label: "x" })
    })
    Stage.make({
      name: "wrong-excludeFromCacheKey",
      version: 1,
      source: import.meta.url,
      inputs: {},
      output: A,
      config: { size: Schema.Int },
      // @ts-expect-error an incidental key that is not in the config
      excludeFromCacheKey: ["sized"],
      run: () => Effect.succeed({ size: 1 })
    })
  })
})

describe("optional inputs, and inputs of several kinds", () => {
  const stage = Stage.make({
    name: "optional",
    version: 1,
    source: import.meta.url,
    inputs: { a: A, from: Stage.optional(A, B), base: Stage.oneOf(A, B) },
    output: A,
    config: { size: Schema.optionalKey(Schema.Int) },
    validateConfig: (config, given) => {
      expectTypeOf(given).toEqualTypeOf<{
        readonly a: boolean
        readonly from: boolean
        readonly base: boolean
      }>()
      return config.size === undefined && !given.from ? "size is missing" : undefined
    },
    run: ({ inputs }) => {
      expectTypeOf(inputs.a).toEqualTypeOf<Artifact.Artifact<typeof A>>()
      expectTypeOf(inputs.base).toEqualTypeOf<Artifact.Artifact<typeof A> | Artifact.Artifact<typeof B>>()
      expectTypeOf(inputs.from).toEqualTypeOf<
        Artifact.Artifact<typeof A> | Artifact.Artifact<typeof B> | undefined
      >()
      // The kind tells which it is.
      if (inputs.from?.kind === "b") expectTypeOf(inputs.from.value.label).toEqualTypeOf<string>()
      return Effect.succeed({ size: inputs.a.value.size })
    }
  })
  const a = makeA()
  const b = makeB({ a, label: "x" })

  it("may be left out, given, or given as undefined, and infer errors through what is given", () => {
    const without = stage({ a, base: a })
    expectTypeOf<Stage.ErrorOf<typeof without>>().toEqualTypeOf<never>()
    const withB = stage({ a, base: a, from: b })
    expectTypeOf<Stage.ErrorOf<typeof withB>>().toEqualTypeOf<Bad>()
    const perhaps: typeof b | undefined = [b].at(0)
    const withPerhaps = stage({ a, base: b, from: perhaps })
    expectTypeOf<Stage.ErrorOf<typeof withPerhaps>>().toEqualTypeOf<Bad>()
  })

  it("refuse another kind, a misspelt name, and a required one that is left out", () => {
    const C = Artifact.kind({ name: "c", version: 1, value: Schema.Struct({ other: Schema.Int }) })
    const makeC = Stage.make({
      name: "make-c",
      version: 1,
      source: import.meta.url,
      inputs: {},
      output: C,
      config: {},
      run: () => Effect.succeed({ other: 1 })
    })
    // @ts-expect-error a kind that is none of the input's
    stage({ a, base: a, from: makeC() })
    // @ts-expect-error a kind that is none of the required input's
    stage({ a, base: makeC() })
    // @ts-expect-error a required input of several kinds that is left out
    stage({ a })
    // @ts-expect-error a misspelt optional input
    stage({ a, base: a, form: b })
  })

  it("requiring: an argument that is needed only where an optional input is left out", () => {
    const needy = Stage.requiring<{ readonly size: number } | { readonly from: Stage.Node }>()(stage)
    needy({ a, base: a, size: 1 })
    const started = needy({ a, base: a, from: b })
    expectTypeOf<Stage.ErrorOf<typeof started>>().toEqualTypeOf<Bad>()
    // @ts-expect-error neither of the two
    needy({ a, base: a })
    // @ts-expect-error a misspelt config key
    needy({ a, base: a, size: 1, sized: 2 })
  })
})

describe("a pipeline", () => {
  const pipeline = Pipeline.make("typed", () => makeB({ a: makeA(), label: "x" }))
  const branched = Pipeline.make("branched", () => [
    makeA(),
    makeB({ a: makeA({ name: "second" }), label: "x" })
  ])

  it("has the errors and requirements of all its stages", () => {
    expectTypeOf(pipeline).toEqualTypeOf<Pipeline.Pipeline<typeof B, Bad, Need | Journal>>()
    expectTypeOf(branched).toEqualTypeOf<Pipeline.Pipeline<typeof A | typeof B, Bad, Need | Journal>>()
  })

  it("run: the result carries the stages' errors; a missing service does not compile", () => {
    const running = Runner.run(pipeline)
    expectTypeOf<Effect.Services<typeof running>>().toEqualTypeOf<
      Need | Stage.ExternalServices | EventStream
    >()
    expectTypeOf<Effect.Success<typeof running>>().toEqualTypeOf<Runner.Result<Bad>>()
    // @ts-expect-error Need and the rest are not provided
    const ready: Effect.Effect<unknown, unknown> = running
    const fed = running.pipe(Effect.provideService(Need, { x: 1 }))
    // @ts-expect-error the file system is still missing
    const half: Effect.Effect<unknown, unknown> = fed
    expectTypeOf(ready).toBeObject()
    expectTypeOf(half).toBeObject()
  })
})
