/** ONNX folders of every family, decoded by the wire format's own words: a graph that is whole, with all weights, and the files beside it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { exportOnnx } from "../../../src/export/onnx/exportOnnx.ts"
import { wordLevelJson } from "../../../src/tokenize/tokenizerJson.ts"
import { families, makeFolder } from "../folders.ts"

const place = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "trainyard-onnx-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

/** The fields of a message, in their order: whole numbers and bytes. */
const decode = (bytes: Buffer): ReadonlyArray<readonly [field: number, value: bigint | Buffer]> => {
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const fields: Array<readonly [number, bigint | Buffer]> = []
  while (at < bytes.length) {
    const tag = Number(varint())
    const length = tag % 8 === 2 ? Number(varint()) : tag % 8 === 5 ? 4 : undefined
    if (length === undefined) fields.push([tag >> 3, varint()])
    else fields.push([tag >> 3, bytes.subarray(at, (at += length))])
  }
  assert.strictEqual(at, bytes.length)
  return fields
}

const messages = (fields: ReturnType<typeof decode>, field: number) =>
  fields.flatMap(([own, value]) => (own === field && Buffer.isBuffer(value) ? [decode(value)] : []))
const texts = (fields: ReturnType<typeof decode>, field: number) =>
  fields.flatMap(([own, value]) => (own === field && Buffer.isBuffer(value) ? [value.toString("utf8")] : []))
const integers = (fields: ReturnType<typeof decode>, field: number) =>
  fields.flatMap(([own, value]) => (own === field && typeof value === "bigint" ? [Number(value)] : []))

describe("exportOnnx", () => {
  for (const [name, , model] of families)
    it.live(`${name}: the graph is whole, has the inputs and outputs of a decoder, and all weights`, () =>
      Effect.gen(function* () {
        const directory = yield* place
        const loaded = yield* makeFolder(join(directory, "model"), model)
        const folder = join(directory, "exported")
        const bytes = yield* exportOnnx(loaded, folder)
        const file = readFileSync(join(folder, "onnx", "model.onnx"))
        assert.strictEqual(file.length, bytes)
        const [graph = []] = messages(decode(file), 7)
        const known = new Set<string>()
        const inputs = messages(graph, 11).flatMap((input) => texts(input, 1))
        let numbers = 0
        for (const tensor of messages(graph, 5)) {
          known.add(texts(tensor, 8)[0]!)
          const size = integers(tensor, 1).reduce((product, side) => product * side, 1)
          const data = tensor.find(([field]) => field === 9)?.[1]
          const isFloat = integers(tensor, 2)[0] === 1
          assert.strictEqual(Buffer.isBuffer(data) ? data.length : -1, size * (isFloat ? 4 : 8))
          if (/\.(weight|bias)/.test(texts(tensor, 8)[0]!)) numbers += size
        }
        const own = loaded.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
        assert.strictEqual(numbers, own)
        for (const input of inputs) known.add(input)
        // Every operator comes after those that it reads from, and writes what nothing else writes.
        for (const node of messages(graph, 1)) {
          for (const input of texts(node, 1)) assert.isTrue(known.has(input), input)
          for (const output of texts(node, 2)) {
            assert.isFalse(known.has(output), output)
            known.add(output)
          }
        }
        const cache = [0, 1].flatMap((layer) => [`${layer}.key`, `${layer}.value`])
        assert.deepStrictEqual(inputs, [
          "input_ids",
          "attention_mask",
          "position_ids",
          ...cache.map((each) => `past_key_values.${each}`)
        ])
        const outputs = messages(graph, 12).flatMap((output) => texts(output, 1))
        assert.deepStrictEqual(outputs, [...cache.map((each) => `present.${each}`), "logits"])
        for (const output of outputs) assert.isTrue(known.has(output))
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
    )

  it.live("writes the folder that Transformers.js loads, with any tokenizer", () =>
    Effect.gen(function* () {
      const directory = yield* place
      const loaded = yield* makeFolder(
        join(directory, "model"),
        families[0]![2],
        wordLevelJson(["int", "main"])
      )
      const folder = join(directory, "a", "folder")
      yield* exportOnnx(loaded, folder)
      // Again, over the files that are there.
      yield* exportOnnx(loaded, folder)
      assert.deepStrictEqual(readdirSync(folder, { recursive: true }).map(String).sort(), [
        "README.md",
        "config.json",
        "generation_config.json",
        "onnx",
        join("onnx", "model.onnx"),
        "tokenizer.json",
        "tokenizer_config.json"
      ])
      const json = (from: string, name: string) => JSON.parse(readFileSync(join(from, name), "utf8"))
      assert.deepStrictEqual(json(folder, "config.json"), {
        ...json(loaded.directory, "config.json"),
        "transformers.js_config": { dtype: "fp32" }
      })
      // Transformers.js has no word-level tokenizers. A mark that begins no word makes WordPiece one.
      const { model, ...rest } = json(loaded.directory, "tokenizer.json")
      assert.deepStrictEqual(json(folder, "tokenizer.json"), {
        ...rest,
        model: {
          ...model,
          type: "WordPiece",
          continuing_subword_prefix: "\u0001",
          max_input_chars_per_word: 2 ** 31 - 1
        }
      })
      const other = yield* makeFolder(join(directory, "other"), families[0]![2])
      yield* exportOnnx(other, folder)
      assert.deepStrictEqual(json(folder, "tokenizer.json"), json(other.directory, "tokenizer.json"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
