/** A row of a batch has the logits that it has alone: the same bits on most engines, within rounding on all. */
import { assert, describe, it } from "@effect/vitest"
import type { Engine } from "@trainyard/backends/Backend"
import { engine as cpu } from "@trainyard/backends/cpu/engine"
import { engine as native } from "@trainyard/backends/native/engine"
import { engine as reference } from "@trainyard/backends/reference/engine"
import { Effect, Schema } from "effect"
import type { Spec } from "../../src/model/families.ts"
import { ModelConfig } from "../../src/model/ModelConfig.ts"
import { initialValues, parameters } from "../../src/model/Parameters.ts"
import { generate, Ports, tensorsOf } from "../../src/model/Programs.ts"

const decode = Schema.decodeUnknownSync(ModelConfig)
const sizes = { vocabularySize: 600, sequenceLength: 16 }
const specs: ReadonlyArray<Spec> = [
  { ...sizes, model: decode({ family: "gpt", embedding: 64, layers: 2, heads: 4 }) },
  { ...sizes, model: decode({ family: "qwen", embedding: 64, layers: 2, heads: 4, keyValueHeads: 2 }) }
]

/** The logits of the first row after each of 8 tokens, beside other rows with other tokens. */
const firstRow = Effect.fnUntraced(function* (engine: Engine, spec: Spec, rows: number) {
  const program = generate(spec, 1, { batch: rows })
  const session = yield* engine.open(tensorsOf([program]), { threads: 2, precision: "f32" })
  for (const parameter of parameters(spec)) yield* session.write(parameter.name, initialValues(parameter, 1))
  const prepared = yield* session.prepare(program)
  const all: Array<number> = []
  for (let offset = 0; offset < 8; offset++) {
    const outputs = yield* prepared.run({
      [Ports.tokens]: Int32Array.from({ length: rows }, (_, row) => (row * 131 + offset * 37 + 5) % 600),
      [Ports.offset]: Int32Array.of(offset)
    })
    all.push(...outputs[Ports.logits]!.subarray(0, spec.vocabularySize))
  }
  return all
}, Effect.scoped)

/** Up to how many rows the bits are the same. */
const exact: ReadonlyArray<readonly [Engine, number]> = [
  [reference, 64],
  [cpu, 4],
  // Measured on x64 only.
  [native, process.arch === "x64" ? 64 : 1]
]

describe("a row of a batch", () => {
  for (const [engine, most] of exact)
    for (const spec of specs)
      it.live(`has the logits that it has alone: ${engine.name}, ${spec.model.family}`, ({ skip }) =>
        Effect.gen(function* () {
          const here = yield* engine.availability
          if (!here.available) return skip(here.why)
          const alone = yield* firstRow(engine, spec, 1)
          for (const rows of [2, 4, 8, 16]) {
            const beside = yield* firstRow(engine, spec, rows)
            if (rows <= most) assert.deepStrictEqual(beside, alone, `${rows} rows`)
            for (const [index, value] of beside.entries()) assert.closeTo(value, alone[index]!, 1e-5)
          }
        })
      )
})
