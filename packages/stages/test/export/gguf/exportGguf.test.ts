/** GGUF files of every family and type, read back by @huggingface/gguf and by the format's own words. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { gguf } from "@huggingface/gguf"
import { Effect } from "effect"
import { exportGguf } from "../../../src/export/gguf/exportGguf.ts"
import { formats, types } from "../../../src/export/gguf/numbers.ts"
import type { Loaded } from "../../../src/generate/Model.ts"
import { widened } from "../../../src/tensors/Safetensors.ts"
import { bytePairSplitting } from "../../../src/tokenize/splitting.ts"
import { wordLevelJson } from "../../../src/tokenize/tokenizerJson.ts"
import { families, makeFolder, sequenceLength, tokenizerJson } from "../folders.ts"

const place = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "trainyard-gguf-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const read = Effect.fnUntraced(function* (file: string) {
  const { metadata, ...rest } = yield* Effect.promise(() => gguf(file, { allowLocalFile: true }))
  return { ...rest, metadata: Object.fromEntries(Object.entries(metadata)) }
})

/** A tensor's bytes in a file. */
const bytesIn = Effect.fnUntraced(function* (file: string, name: string) {
  const { tensorDataOffset, tensorInfos } = yield* read(file)
  const info = tensorInfos.find((each) => each.name === name)
  if (info === undefined) return assert.fail(`no ${name}`)
  return readFileSync(file).subarray(Number(tensorDataOffset + info.offset))
})

const valuesOf = (model: Loaded, name: string) => model.parameters.find((each) => each.name === name)!.read

describe("exportGguf", () => {
  for (const [name, architecture, model] of families)
    it.live(`${name}: its settings, its tokenizer and all its tensors are in the file`, () =>
      Effect.gen(function* () {
        const directory = yield* place
        const loaded = yield* makeFolder(join(directory, "model"), model)
        const file = join(directory, "model.gguf")
        const exported = yield* exportGguf(loaded, file, "f16")
        assert.strictEqual(exported.bytes, readFileSync(file).length)
        assert.deepStrictEqual(readdirSync(directory).sort(), ["model", "model.gguf"])
        const { metadata: about, tensorInfos } = yield* read(file)
        assert.strictEqual(about["general.architecture"], architecture)
        assert.strictEqual(about["general.name"], "A test's model")
        assert.strictEqual(about["general.file_type"], 1)
        assert.strictEqual(about[`${architecture}.context_length`], sequenceLength)
        assert.strictEqual(about[`${architecture}.block_count`], 2)
        const wide = "headWidth" in model ? 16 : 8
        if (architecture !== "gpt2") {
          assert.strictEqual(about[`${architecture}.attention.head_count_kv`], 2)
          assert.strictEqual(about[`${architecture}.attention.key_length`], wide)
        }
        assert.strictEqual(about["tokenizer.ggml.model"], "gpt2")
        assert.strictEqual(about["tokenizer.ggml.pre"], "gpt-2")
        const tokens = about["tokenizer.ggml.tokens"] as ReadonlyArray<string>
        assert.strictEqual(tokens.length, loaded.spec.vocabularySize)
        assert.strictEqual(tokens[loaded.endTokenId], "<|endoftext|>")
        assert.strictEqual(about["tokenizer.ggml.eos_token_id"], loaded.endTokenId)
        assert.isFalse(about["tokenizer.ggml.add_bos_token"])
        // Every number of the model is in the file once.
        const numbers = tensorInfos.reduce(
          (sum, { shape }) => sum + shape.reduce((a, b) => a * Number(b), 1),
          0
        )
        const own = loaded.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
        assert.strictEqual(numbers, own)
        for (const { dtype, name, shape } of tensorInfos)
          assert.strictEqual(dtype, shape.length === 1 || name.startsWith("position") ? 0 : 1, name)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
    )

  it.live("writes each type, and gives back the weights as exactly as it can hold them", () =>
    Effect.gen(function* () {
      const directory = yield* place
      const loaded = yield* makeFolder(join(directory, "model"), families[0]![2])
      const weights = yield* valuesOf(loaded, "transformer.h.1.mlp.c_fc.weight")
      const largest = (values: Float32Array) =>
        values.reduce((most, value, index) => Math.max(most, Math.abs(value - weights[index]!)), 0)
      for (const type of types) {
        const file = join(directory, `${type}.gguf`)
        yield* exportGguf(loaded, file, type)
        const { metadata } = yield* read(file)
        assert.strictEqual(metadata["general.file_type"], formats[type].fileType)
        const bytes = yield* bytesIn(file, "blk.1.ffn_up.weight")
        if (type === "f32")
          assert.strictEqual(largest(new Float32Array(Uint8Array.from(bytes).buffer, 0, weights.length)), 0)
        if (type === "f16" || type === "bf16") {
          const values = widened(type.toUpperCase(), bytes.subarray(0, 2 * weights.length))
          for (const [index, value] of values.entries())
            assert.isAtMost(
              Math.abs(value - weights[index]!),
              Math.abs(weights[index]!) * 2 ** (type === "f16" ? -11 : -8) + 2 ** -25
            )
        }
        if (type === "q8_0") {
          const values = new Float32Array(weights.length)
          for (const at of weights.keys()) {
            const block = Math.floor(at / 32) * 34
            const step = widened("F16", bytes.subarray(block, block + 2))[0]!
            values[at] = step * bytes.readInt8(block + 2 + (at % 32))
          }
          // Half a step of the block with the widest numbers, and the rounding of the step.
          const most = weights.reduce((sum, value) => Math.max(sum, Math.abs(value)), 0)
          assert.isAtMost(largest(values), most * (0.5 / 127 + 2 ** -11))
        }
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("says which weights are no whole blocks of q8_0, and writes them as f16", () =>
    Effect.gen(function* () {
      const directory = yield* place
      const loaded = yield* makeFolder(join(directory, "model"), { embedding: 16, layers: 1, heads: 2 })
      const file = join(directory, "model.gguf")
      const { asHalf } = yield* exportGguf(loaded, file, "q8_0")
      assert.include(asHalf, "transformer.h.0.attn.c_attn.weight")
      assert.notInclude(asHalf, "transformer.h.0.mlp.c_proj.weight")
      const { tensorInfos } = yield* read(file)
      assert.strictEqual(tensorInfos.find(({ name }) => name === "blk.0.attn_qkv.weight")?.dtype, 1)
      assert.strictEqual(tensorInfos.find(({ name }) => name === "blk.0.ffn_down.weight")?.dtype, 8)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("names the tokens of fill-in-the-middle where the tokenizer has them", () =>
    Effect.gen(function* () {
      const directory = yield* place
      const json = tokenizerJson({ infilling: true })
      const loaded = yield* makeFolder(join(directory, "model"), families[2]![2], json)
      const file = join(directory, "model.gguf")
      yield* exportGguf(loaded, file, "f32")
      const { metadata } = yield* read(file)
      const first = loaded.endTokenId + 1
      assert.deepStrictEqual(
        ["fim_pre", "fim_suf", "fim_mid", "fim_pad"].map((key) => metadata[`tokenizer.ggml.${key}_token_id`]),
        [first, first + 1, first + 2, undefined]
      )
      const kinds = metadata["tokenizer.ggml.token_type"] as ReadonlyArray<number>
      assert.deepStrictEqual(kinds.slice(-5), [1, 3, 3, 3, 3])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("refuses a tokenizer that llama.cpp would apply otherwise, and leaves no file", () =>
    Effect.gen(function* () {
      const directory = yield* place
      const digits = bytePairSplitting({ singleDigits: true, wholeIndentation: false })!
      const both = bytePairSplitting({ singleDigits: true, wholeIndentation: true })!
      const cases: ReadonlyArray<readonly [object, RegExp]> = [
        [
          wordLevelJson(["int", "main"]),
          /word-level.*Train with a byte-pair tokenizer, or export as ONNX\.$/
        ],
        [
          tokenizerJson({ pattern: digits.pattern }),
          /singleDigits.*Make the tokenizer without singleDigits\.$/
        ],
        [
          tokenizerJson({ pattern: both.pattern }),
          /wholeIndentation.*Make the tokenizer without wholeIndentation\.$/
        ],
        [tokenizerJson({ pattern: "\\w+" }), /none that is known here/],
        [{ ...tokenizerJson(), normalizer: { type: "NFC" } }, /changes a text before it cuts it/]
      ]
      for (const [index, [json, sentence]] of cases.entries()) {
        const loaded = yield* makeFolder(join(directory, String(index)), families[0]![2], json)
        const error = yield* Effect.flip(exportGguf(loaded, join(directory, "model.gguf"), "f32"))
        assert.match(error.message, sentence)
      }
      assert.notInclude(readdirSync(directory), "model.gguf")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("refuses weights that the type cannot hold, and keeps the file that was there", () =>
    Effect.gen(function* () {
      const directory = yield* place
      const loaded = yield* makeFolder(join(directory, "model"), families[0]![2])
      const file = join(directory, "model.gguf")
      writeFileSync(file, "before")
      const beyond = (value: number): Loaded => ({
        ...loaded,
        parameters: loaded.parameters.map((each) =>
          each.name === "transformer.wte.weight"
            ? { ...each, read: Effect.map(each.read, (values) => values.fill(value, 5, 6)) }
            : each
        )
      })
      const large = yield* Effect.flip(exportGguf(beyond(70_000), file, "f16"))
      assert.match(large.message, /holds 70000, more than f16 can hold\. Export as bf16 or f32\.$/)
      const damaged = yield* Effect.flip(exportGguf(beyond(Number.NaN), file, "q8_0"))
      assert.match(damaged.message, /holds NaN, so the weights are damaged/)
      assert.strictEqual(readFileSync(file, "utf8"), "before")
      assert.deepStrictEqual(readdirSync(directory).sort(), ["model", "model.gguf"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("says where no file can be put", () =>
    Effect.gen(function* () {
      const directory = yield* place
      const loaded = yield* makeFolder(join(directory, "model"), families[0]![2])
      writeFileSync(join(directory, "empty.txt"), "")
      const below = yield* Effect.flip(exportGguf(loaded, join(directory, "empty.txt", "model.gguf"), "f32"))
      assert.match(
        below.message,
        /model\.gguf cannot be written \(.*\)\. Name a file in a folder that may be written\.$/
      )
      const folder = yield* Effect.flip(exportGguf(loaded, directory, "f32"))
      assert.match(folder.message, / is a folder\. Name a file\.$/)
      assert.deepStrictEqual(readdirSync(directory).sort(), ["empty.txt", "model"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
