/**
 * How fast the native engine writes one token after the other with the weights of a model folder, alone and for several texts at once; with
 * `--against llama.cpp` beside llama.cpp on the same weights, in turns:
 *
 *     npm run bench:generate -- --model DIR [--streams 1,8,16] [--threads 2] [--precisions f32,bf16,int8] [--seconds 1]
 *         [--samples 8] [--against llama.cpp]
 *
 * The engine alone: tokens are given, nothing is drawn, and logits are computed for each. A table of Markdown: tokens a second of the median step
 * and of the fastest. Rows named `generate -n` are the whole way of that command with so many samples, drawing and text included, after a prompt
 * of a quarter of the context, which is read too: the median run and the fastest; 0 samples leave them out.
 *
 * llama.cpp reads the same weights as F32, BF16 and Q8_0 from GGUF files that are exported here, by node-llama-cpp, which TRAINYARD_TEST_READERS
 * allows to install; it keeps its defaults: keys and values in float16, and for Q8_0 activations in 8 bits.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { NodeServices } from "@effect/platform-node"
import { Backend, Precision } from "@trainyard/backends/Backend"
import { layer } from "@trainyard/backends/Engines"
import { exportGguf } from "@trainyard/stages/export/gguf/exportGguf"
import * as Model from "@trainyard/stages/generate/Model"
import { Effect, Schema, Stream } from "effect"
import { Ports } from "../../packages/stages/src/model/Ports.ts"
import { generate, tensorsOf } from "../../packages/stages/src/model/Programs.ts"
import { hint, llama } from "./llama.ts"

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    streams: { type: "string", default: "1,8,16" },
    threads: { type: "string", default: String(availableParallelism()) },
    precisions: { type: "string", default: "f32,bf16,int8" },
    seconds: { type: "string", default: "1" },
    samples: { type: "string", default: "8" },
    against: { type: "string" }
  }
})
const { against, model: folder } = values
if (folder === undefined || (against !== undefined && against !== "llama.cpp")) {
  process.stderr.write(
    "Give a model folder, and --against llama.cpp where it is to be compared: npm run bench:generate -- --model DIR\n"
  )
  process.exit(2)
}
const precisions = Schema.decodeUnknownSync(Schema.Array(Precision))(values.precisions.split(","))
const threads = Number(values.threads)
const seconds = Number(values.seconds)
const samples = Number(values.samples)

/** Turns that each side has. */
const turns = 5
const types = { f32: "f32", bf16: "bf16", int8: "q8_0" } as const

/** Milliseconds of steps for about so many seconds. */
type Turn = (seconds: number) => Promise<ReadonlyArray<number>>

interface Contender {
  readonly name: string
  readonly turn: Turn
  readonly close: () => Promise<void>
}

/** Positions of the tokens of a turn: from a quarter of the context on, as many as an eighth of it. */
const positionsOf = (context: number) => ({ first: context >> 2, count: Math.max(1, context >> 3) })

/** The engine, with all texts at the same position. */
const ours = (model: Model.Loaded, precision: Precision, streams: number): Promise<Contender> =>
  new Promise((resolve, reject) => {
    const { spec } = model
    const { count, first } = positionsOf(spec.sequenceLength)
    Effect.gen(function* () {
      const backend = yield* Backend
      const program = generate(spec, 1, { batch: streams })
      const session = yield* backend.open(tensorsOf([program]))
      for (const parameter of model.parameters) yield* session.write(parameter.name, yield* parameter.read)
      const prepared = yield* session.prepare(program)
      const tokens = Int32Array.from({ length: streams }, (_, row) => (17 + 131 * row) % spec.vocabularySize)
      const read = (offset: number) =>
        prepared.run({ [Ports.tokens]: tokens, [Ports.offset]: Int32Array.of(offset) })
      for (let offset = 0; offset < first; offset++) yield* read(offset)
      const turn: Turn = (seconds) =>
        Effect.gen(function* () {
          const times: Array<number> = []
          const end = performance.now() + 1000 * seconds
          for (let at = 0; performance.now() < end; at = (at + 1) % count) {
            const begun = performance.now()
            yield* read(first + at)
            times.push(performance.now() - begun)
          }
          return times
        }).pipe(Effect.runPromise)
      return yield* Effect.callback<void>((done) => {
        resolve({ name: `native ${precision}`, turn, close: async () => done(Effect.void) })
      })
    })
      .pipe(
        Effect.scoped,
        Effect.provide(layer({ backend: "native", precision, threads })),
        Effect.runPromise
      )
      .catch(reject)
  })

/** What `generate -n` does, on its way from a prompt to texts: time a token of each sample. */
const whole = (model: Model.Loaded, precision: Precision): Promise<Contender> =>
  new Promise((resolve, reject) => {
    const { first } = positionsOf(model.spec.sequenceLength)
    Effect.gen(function* () {
      const opened = yield* Model.open(model, samples)
      const ids = Array.from({ length: first }, (_, at) => (17 + 131 * at) % model.spec.vocabularySize)
      let seed = 1
      const turn: Turn = (seconds) =>
        Effect.gen(function* () {
          const times: Array<number> = []
          const end = performance.now() + 1000 * seconds
          do {
            const begun = performance.now()
            const options = { maxTokens: first, temperature: 0.8, topK: 40, seed: seed++, loopStop: false }
            const tokens = yield* Stream.runFold(
              Model.samples(opened, { text: "", ids }, options, samples),
              () => 0,
              (count, { token }) => count + Number(token !== undefined)
            )
            times.push(((performance.now() - begun) * samples) / Math.max(1, tokens))
          } while (performance.now() < end)
          return times
        }).pipe(Effect.runPromise)
      return yield* Effect.callback<void>((done) => {
        const close = async () => done(Effect.void)
        resolve({ name: `native ${precision}, \`generate -n ${samples}\``, turn, close })
      })
    })
      .pipe(
        Effect.scoped,
        Effect.provide(layer({ backend: "native", precision, threads })),
        Effect.runPromise
      )
      .catch(reject)
  })

const median = (times: ReadonlyArray<number>): number => times.toSorted((a, b) => a - b)[times.length >> 1]!
const rate = (streams: number, milliseconds: number) =>
  Math.round((1000 * streams) / milliseconds).toLocaleString("en-US")

const measured = async (contenders: ReadonlyArray<Contender>, streams: number) => {
  const times = contenders.map((): Array<number> => [])
  // Until code is compiled and memory was touched.
  for (const { turn } of contenders) await turn(seconds / 2)
  for (let turn = 0; turn < turns; turn++)
    for (const [index, contender] of contenders.entries())
      times[index]!.push(...(await contender.turn(seconds / turns)))
  const [own] = times.map(median)
  for (const [index, { close, name }] of contenders.entries()) {
    await close()
    const half = median(times[index]!)
    const ratio = index === 0 ? "" : `${(half / own!).toFixed(2)} times as long`
    const cells = [name, streams, rate(streams, half), rate(streams, Math.min(...times[index]!)), ratio]
    console.log(`| ${cells.join(" | ")} |`)
  }
}

const main = async () => {
  const model = await Effect.runPromise(Model.load(folder).pipe(Effect.provide(NodeServices.layer)))
  const opponent = against === undefined ? undefined : llama()
  if (against !== undefined && opponent === undefined) console.error(`llama.cpp is not measured${hint}`)
  console.log(`| ${threads} threads | streams | tokens/s, median | most | llama.cpp beside it |`)
  console.log("| --- | --- | --- | --- | --- |")
  const temporary = mkdtempSync(join(tmpdir(), "bench-generate-"))
  try {
    for (const precision of precisions) {
      const file = join(temporary, `${precision}.gguf`)
      const type = types[precision]
      if (opponent !== undefined)
        await Effect.runPromise(exportGguf(model, file, type).pipe(Effect.provide(NodeServices.layer)))
      for (const streams of values.streams.split(",").map(Number)) {
        const contenders = [await ours(model, precision, streams)]
        const { sequenceLength } = model.spec
        if (opponent !== undefined)
          contenders.push({
            name: `llama.cpp ${type.toUpperCase()}`,
            ...(await opponent({ file, threads, streams, sequenceLength, ...positionsOf(sequenceLength) }))
          })
        await measured(contenders, streams)
      }
      if (samples > 0) await measured([await whole(model, precision)], samples)
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}
await main()
