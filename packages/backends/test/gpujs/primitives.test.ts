/** Generated kernels of the primitives against reference, in every mode; WebGPU is skipped visibly where there is no adapter. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Engine } from "../../src/Backend.ts"
import { difference } from "../../src/contract/compare.ts"
import { make } from "../../src/gpujs/engine.ts"
import type { Attributes, Program, Tensor } from "../../src/program/Program.ts"
import { sizeOf } from "../../src/program/Program.ts"
import { engine as reference } from "../../src/reference/engine.ts"
import { examples, floats, type Given, products, random } from "./primitiveExamples.ts"

/** A step that writes the state `y`. */
interface One {
  readonly operation: string
  readonly attributes: object
  readonly inputs: ReadonlyArray<Given | "y">
  readonly result: ReadonlyArray<number>
  readonly accumulate?: boolean
}

const run = Effect.fnUntraced(function* (engine: Engine, one: One) {
  const { accumulate = false, attributes, inputs, operation, result } = one
  const y: Tensor = { name: "y", shape: result, type: "f32", role: "state" }
  const name = (index: number) => (inputs[index] === "y" ? "y" : `input${index}`)
  const given = inputs.flatMap((input, index) => (input === "y" ? [] : [[name(index), input] as const]))
  const program: Program = {
    name: "one",
    tensors: Object.fromEntries<Tensor>([
      ["y", y],
      ...given.map(([name, { shape, type = "f32" }]): [string, Tensor] => [
        name,
        { name, shape, type, role: "input" }
      ])
    ]),
    steps: [
      {
        operation,
        inputs: inputs.map((_, index) => name(index)),
        outputs: ["y"],
        attributes: attributes as Attributes,
        accumulate: accumulate ? ["y"] : []
      }
    ],
    outputs: ["y"]
  }
  const session = yield* engine.open([y], { threads: 1, precision: "f32" })
  yield* session.write("y", random(sizeOf(result), 7))
  const prepared = yield* session.prepare(program)
  const outputs = yield* prepared.run(Object.fromEntries(given.map(([name, { values }]) => [name, values])))
  return outputs.y!
}, Effect.scoped)

const all: Readonly<Record<string, One>> = {
  ...Object.fromEntries(
    Object.entries(examples).map(([name, example]): [string, One] => [
      name,
      {
        ...example,
        operation: example.attributes.kind === undefined ? "map" : "reduce",
        result: example.attributes.result
      }
    ])
  ),
  ...Object.fromEntries(
    Object.entries(products).map(([name, { attributes, sizes }]): [string, One] => [
      `product: ${name}`,
      {
        operation: "product",
        attributes,
        inputs: [floats(1, sizes[0]), floats(sizes[1])],
        result: attributes.result
      }
    ])
  ),
  gather: {
    operation: "gather",
    attributes: {},
    inputs: [floats(6, 3), { shape: [2, 2], type: "i32", values: Int32Array.of(5, -1, 0, 5) }],
    result: [2, 2, 3]
  },
  scatterAdd: {
    operation: "scatterAdd",
    attributes: { rows: 6 },
    inputs: [floats(2, 2, 3), { shape: [2, 2], type: "i32", values: Int32Array.of(4, -1, 0, 4) }],
    result: [6, 3]
  }
}

for (const mode of ["webgpu", "webasm", "cpu"] as const) {
  const engine = make({ mode })
  const here = await Effect.runPromise(engine.availability)
  describe.skipIf(!here.available)(`the primitives in mode ${mode}`, () => {
    for (const [name, one] of Object.entries(all))
      it.live(name, () =>
        Effect.gen(function* () {
          const expected = yield* run(reference, one)
          assert.isUndefined(difference(name, yield* run(engine, one), expected, 1e-5))
        })
      )
  })
}
