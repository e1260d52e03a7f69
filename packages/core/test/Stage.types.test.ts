import { Context, Effect, Schema } from "effect"
import * as Artifact from "../src/Artifact.ts"
import * as Stage from "../src/Stage.ts"

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
  run: ({ inputs, config }) =>
    inputs.a.value.size > 3 ? Effect.fail(new Bad({ message: "x" })) : Effect.succeed({ label: config.label })
})
const a = makeA()
const b: Stage.Node<typeof B, Bad, Need> = makeB({ a, label: "x" })
// @ts-expect-error
const c: Stage.Node<typeof B, never, Need> = makeB({ a, label: "x" })
// @ts-expect-error
const d: Stage.Node<typeof B, Bad, never> = makeB({ a, label: "x" })
// @ts-expect-error wrong artifact
makeB({ a: b, label: "x" })
// @ts-expect-error missing input
makeB({ label: "x" })
// @ts-expect-error misspelt config
makeB({ a, label: "x", lable: "y" })
// @ts-expect-error wrong config type
makeB({ a, label: 4 })
// @ts-expect-error missing config
makeB({ a })
makeA({ size: 4, name: "other", after: [b] })
// @ts-expect-error
makeA({ sized: 4 })
console.log(c, d)
