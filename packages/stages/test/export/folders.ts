/** Published folders of small models with random weights and a byte-pair tokenizer, for the tests of exports. */
import { engine } from "@trainyard/backends/reference/engine"
import { Effect, FileSystem, Path, Schema } from "effect"
import { pretty, writeConfigs, writeWeights } from "../../src/checkpoint/modelFiles.ts"
import * as Model from "../../src/generate/Model.ts"
import { draws, fillNormal } from "../../src/model/draws.ts"
import { ModelConfig, type ModelShape } from "../../src/model/ModelConfig.ts"
import { type Parameter, parameters, type Spec } from "../../src/model/Parameters.ts"
import { generate, Ports, tensorsOf } from "../../src/model/Programs.ts"
import { letterOfByte } from "../../src/tokenize/splitting.ts"
import { bytePairJson, configJson } from "../../src/tokenize/tokenizerJson.ts"

const qwen = { family: "qwen", embedding: 32, layers: 2, heads: 4, keyValueHeads: 2, hidden: 96 } as const

/** A model of each layout. Widths of 32 and 96 are whole blocks of Q8_0. */
export const families: ReadonlyArray<readonly [name: string, architecture: string, model: ModelShape]> = [
  ["GPT-2", "gpt2", { embedding: 32, layers: 2, heads: 2 }],
  ["GPT-2 without biases", "gpt2", { embedding: 32, layers: 2, heads: 2, bias: false }],
  ["Qwen3", "qwen3", qwen],
  [
    "Qwen3 with an output layer of its own and wide heads",
    "qwen3",
    { ...qwen, tied: false, headWidth: 16, theta: 500, epsilon: 1e-4 }
  ],
  ["Llama", "llama", { ...qwen, qkNorm: false }],
  ["Llama with wide heads", "llama", { ...qwen, qkNorm: false, tied: false, headWidth: 16 }]
]

export const sequenceLength = 160

/** Texts that are hard to cut: runs of white space, line breaks, digits, contractions, rare letters, characters of several bytes, a special token. */
export const nastyTexts = [
  "int main(void)\n{\n\n  \treturn  0;  }\r\n",
  " é 日本 🎉👩‍👩‍👧 \u00a0x\u2003y\ufeff ǅ ⅷ ½ ٣",
  "don't we'LL 'sit 12345  7 0x1F _a__b \n \n  \n\n\n",
  "<|endoftext|> <|fim_prefix|>a<|endoftext|>",
  "   ",
  "\n",
  ""
]

const characters = [
  "abcdeftint'slvr",
  "0123456789",
  " \t\n\r\u000b\u000c",
  "(){};=+-*/&|<>!?.,:'\"\\#_",
  "\u0085\u00a0\u1680\u2003\u2028\u202f\u205f\u3000\u180e\u200b\u200d",
  "éßñ日本語中한글АБвг½²³ⅷ٣๑①",
  "🎉👩👧\u0301\u0300\ufe0f\u0378\ue000\u{e0001}\u{1f0ff}\uffff\ufffd"
].map((text) => [...text])

/** Random texts of such characters, with runs of the same. */
export const randomTexts = (count: number): ReadonlyArray<string> => {
  const draw = draws("texts")
  const one = <A>(list: ReadonlyArray<A>): A => list[Math.floor(draw() * list.length)]!
  const piece = () =>
    one(draw() < 0.5 ? one(characters) : one(characters.slice(0, 4))).repeat(draw() < 0.2 ? 3 : 1)
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + Math.floor(draw() * 24) }, piece).join("")
  )
}

const added = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]

/** Merges of bytes, by their texts. */
const merged = [
  "in",
  "int",
  " t",
  " th",
  " the",
  "  ",
  "    ",
  "\n ",
  "\n  ",
  "re",
  "ret",
  "12",
  "é"
] as const

/** A byte-pair tokenizer. `infilling`: with the special tokens of fill-in-the-middle. `pattern`: with another rule for words than GPT-2's. */
export const tokenizerJson = ({ infilling = false, pattern = undefined as string | undefined } = {}) => {
  const tokens = [...letterOfByte]
  const merges: Array<readonly [number, number]> = []
  for (const text of merged) {
    const letters = [...Buffer.from(text)].map((byte) => letterOfByte[byte]!).join("")
    // The longest beginning that is a token, and the rest, which is one too.
    const cut =
      letters.length -
      1 -
      Array.from(letters).findIndex((_, last) => tokens.includes(letters.slice(0, letters.length - 1 - last)))
    merges.push([tokens.indexOf(letters.slice(0, cut)), tokens.indexOf(letters.slice(cut))])
    tokens.push(letters)
  }
  const json = bytePairJson(tokens, merges, pattern)
  if (!infilling) return json
  const end = json.added_tokens[0]!
  return {
    ...json,
    added_tokens: [end, ...added.map((content, index) => ({ ...end, id: end.id + 1 + index, content }))],
    model: {
      ...json.model,
      vocab: {
        ...json.model.vocab,
        ...Object.fromEntries(added.map((content, index) => [content, end.id + 1 + index]))
      }
    }
  }
}

/** Values far from those of a new model, so that every tensor matters and one token is clearly the most likely. */
const valuesOf = ({ initial, name, shape }: Parameter): Float32Array => {
  const values = new Float32Array(shape.reduce((product, side) => product * side, 1))
  fillNormal(values, shape.length === 1 ? 0.1 : 0.25, draws("export", name))
  const constant = "constant" in initial ? initial.constant : 0
  return values.map((value) => value + constant)
}

/** Writes a folder as the checkpoint stage does. */
export const makeFolder = Effect.fnUntraced(function* (
  directory: string,
  model: ModelShape,
  tokenizer: object = tokenizerJson()
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const json = JSON.parse(JSON.stringify(tokenizer))
  const spec: Spec = {
    model: Schema.decodeUnknownSync(ModelConfig)(model),
    vocabularySize: Object.keys(json.model.vocab).length,
    sequenceLength
  }
  yield* fs.makeDirectory(directory, { recursive: true })
  const sources = parameters(spec).map((parameter) => ({
    ...parameter,
    read: Effect.sync(() => valuesOf(parameter))
  }))
  yield* writeWeights(directory, spec, sources, undefined)
  yield* writeConfigs(directory, spec, json.model.vocab["<|endoftext|>"])
  const write = (name: string, value: unknown) =>
    fs.writeFileString(path.join(directory, name), pretty(value))
  yield* write("tokenizer.json", json)
  yield* write("tokenizer_config.json", configJson(false))
  yield* fs.writeFileString(
    path.join(directory, "README.md"),
    "---\nlanguage: code\n---\n\n# A test's model\n"
  )
  return yield* Model.load(directory)
})

/** Logits after each of these ids, as the programs here compute them: [T, V]. */
export const logitsOf = Effect.fnUntraced(function* (
  { parameters, spec }: Model.Loaded,
  ids: ReadonlyArray<number>
) {
  const program = generate(spec, ids.length)
  const session = yield* engine.open(tensorsOf([program]), { threads: 1, precision: "f32" })
  for (const { name, read } of parameters) yield* session.write(name, yield* read)
  const outputs = yield* (yield* session.prepare(program)).run({
    [Ports.tokens]: Int32Array.from(ids),
    [Ports.offset]: new Int32Array(1)
  })
  const logits = outputs[Ports.logits]!
  return ids.map((_, row) =>
    Array.from(logits.subarray(row * spec.vocabularySize, (row + 1) * spec.vocabularySize))
  )
}, Effect.scoped)

/** Natural logarithms of the probabilities of logits. */
export const logProbabilitiesOf = (logits: ReadonlyArray<number>): ReadonlyArray<number> => {
  const most = Math.max(...logits)
  const sum = logits.reduce((total, value) => total + Math.exp(value - most), 0)
  return logits.map((value) => value - most - Math.log(sum))
}

/** Largest difference between numbers of two tables. */
export const largestDifference = (
  a: ReadonlyArray<ReadonlyArray<number>>,
  b: ReadonlyArray<ReadonlyArray<number>>
): number =>
  a.reduce(
    (most, row, at) =>
      row.reduce((largest, value, index) => Math.max(largest, Math.abs(value - b[at]![index]!)), most),
    0
  )

/** The id of the most likely token. */
export const likeliest = (row: ReadonlyArray<number>): number => row.indexOf(Math.max(...row))
