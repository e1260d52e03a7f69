/** Completions as the rows of a batch: the same as one by one, on every engine, and where each ends. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { Engine } from "@trainyard/backends/Backend"
import { engine as cpu } from "@trainyard/backends/cpu/engine"
import { engine as native } from "@trainyard/backends/native/engine"
import { engine as reference } from "@trainyard/backends/reference/engine"
import { Effect, Layer, Stream } from "effect"
import type { TextGenerator } from "../../src/generate/Batch.ts"
import type { Codec } from "../../src/generate/decoding.ts"
import * as Model from "../../src/generate/Model.ts"
import { type Part, type SampleOptions, samples } from "../../src/generate/Samples.ts"
import { lastItem } from "../../src/languages/c/lastItem.ts"
import type { ModelShape } from "../../src/model/ModelConfig.ts"
import { Ports } from "../../src/model/Ports.ts"
import { completeAll } from "../../src/validate/complete.ts"
import { backendOn, place, publishModel, settings } from "../train/laboratory.ts"

const options = { maxTokens: 40, temperature: 1, seed: 3, loopStop: false }

const families: ReadonlyArray<readonly [string, ModelShape]> = [
  ["GPT-2", { embedding: 8, layers: 2, heads: 2 }],
  ["Qwen3", { family: "qwen", embedding: 8, layers: 2, heads: 4, keyValueHeads: 2, hidden: 12 }]
]

const on = (engine: Engine, threads: number) =>
  Effect.provide(Layer.merge(backendOn(engine, threads), NodeServices.layer))

/** Each sample's tokens and text. */
const gathered = (parts: Iterable<Part>, count: number) => {
  const all = Array.from({ length: count }, () => ({
    tokens: [] as Array<number>,
    text: "",
    ended: [] as Array<string>
  }))
  for (const { ended, sample, text, token } of parts) {
    const one = all[sample]!
    if (token !== undefined) one.tokens.push(token)
    one.text += text
    if (ended !== undefined) one.ended.push(ended.by)
  }
  return all
}

const written = Effect.fnUntraced(function* (
  opened: Model.Opened,
  prompt: string,
  given: Model.GenerateOptions,
  count: number
) {
  return gathered(yield* Stream.runCollect(Model.samples(opened, prompt, given, count)), count)
})

describe("samples of a model", () => {
  for (const [name, model] of families)
    it.live(
      `${name}: as a batch are the completions of their seeds alone, past the context, on every engine`,
      () =>
        Effect.gen(function* () {
          const quick = { ...settings, steps: 6, evaluateEvery: 6, checkpointEvery: {}, model }
          const { directory } = yield* publishModel(yield* place, quick)
          const loaded = yield* Model.load(directory).pipe(Effect.provide(NodeServices.layer))
          const alone = yield* Effect.gen(function* () {
            const opened = yield* Model.open(loaded)
            return yield* Effect.forEach([0, 1, 2, 3, 4], (sample) =>
              Effect.map(
                written(opened, "w3 w5 w7", { ...options, seed: options.seed + sample }, 1),
                ([one]) => one!
              )
            )
          }).pipe(Effect.scoped, on(reference, 1))
          assert.isTrue(alone.some(({ tokens }) => tokens.length > 12))
          for (const [engine, threads, rows] of [
            [reference, 1, 5],
            [reference, 1, 2],
            [cpu, 1, 5],
            [cpu, 2, 8],
            ...((yield* native.availability).available ? ([[native, 2, 5]] as const) : [])
          ] as const) {
            const together = yield* Effect.gen(function* () {
              return yield* written(yield* Model.open(loaded, rows), "w3 w5 w7", options, 5)
            }).pipe(Effect.scoped, on(engine, threads))
            assert.deepStrictEqual(together, alone, `${engine.name}, ${threads} threads, ${rows} rows`)
          }
        }).pipe(Effect.scoped)
    )

  it.live("prompts of different lengths side by side are what each is alone", () =>
    Effect.gen(function* () {
      const { directory } = yield* publishModel(yield* place, { ...settings, steps: 4, evaluateEvery: 4 })
      const loaded = yield* Model.load(directory)
      const prompts = ["w3 w5 w7 w9 w11 w13", "w2", "", "w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1", "w4 w6"]
      const given = { temperature: 1, maxTokens: 30, seed: 5, endTokenId: loaded.endTokenId, loopStop: false }
      const completed = (rows: number) =>
        Effect.gen(function* () {
          const { generator } = yield* Model.open(loaded, rows)
          let ended = 0
          const all = yield* completeAll(
            generator,
            loaded.codec,
            prompts,
            given,
            Effect.sync(() => void ended++)
          )
          assert.strictEqual(ended, prompts.length)
          return all
        }).pipe(Effect.scoped)
      const alone = yield* completed(1)
      assert.deepStrictEqual(yield* completed(3), alone)
      assert.deepStrictEqual(yield* completed(8), alone)
    }).pipe(Effect.scoped, on(reference, 1))
  )
})

const bytes: Codec<never> = {
  encode: (text) => Effect.succeed([...Buffer.from(text)]),
  decode: (ids) => Effect.succeed(new TextDecoder().decode(Uint8Array.from(ids)))
}
const end = 0

/** Writes given texts, one a row, whatever it reads. `runs` counts its runs. */
const reciting = (prompt: string, texts: ReadonlyArray<string>) => {
  const rows = texts.map((text) => [...Buffer.from(prompt + text), end])
  const counted = { runs: 0 }
  const generator: TextGenerator = {
    rows: rows.length,
    sequenceLength: 1000,
    program: {
      run: (inputs) =>
        Effect.sync(() => {
          counted.runs++
          const position = inputs[Ports.offset]![0]!
          const logits = new Float32Array(rows.length * 256)
          for (const [row, ids] of rows.entries()) logits[row * 256 + (ids[position + 1] ?? end)] = 9
          return { [Ports.logits]: logits }
        })
    }
  }
  return { counted, generator }
}

const recited = (prompt: string, texts: ReadonlyArray<string>, given: Partial<SampleOptions> = {}) =>
  Effect.gen(function* () {
    const { counted, generator } = reciting(prompt, texts)
    const parts = yield* Stream.runCollect(
      samples(
        generator,
        bytes,
        { text: prompt, ids: [...Buffer.from(prompt)] },
        { maxTokens: 500, temperature: 0, seed: 1, stopToken: end, ...given },
        texts.length
      )
    )
    return { parts, counted, all: gathered(parts, texts.length) }
  })

describe("a sample ends", () => {
  it.effect("each in its own way, and the batch with the last", () =>
    Effect.gen(function* () {
      const { all, counted } = yield* recited("ab", ["cd", `stop here${"x".repeat(90)}`, "0123456789"], {
        maxTokens: 9,
        stop: ["here", "p h"]
      })
      assert.deepStrictEqual(
        all.map(({ ended, text }) => [text, ended]),
        [
          ["cd", ["document"]],
          ["sto", ["stop"]],
          ["012345678", ["limit"]]
        ]
      )
      assert.strictEqual(counted.runs, 10)
    })
  )

  it.effect("with text held back for a stop text that did not come", () =>
    Effect.gen(function* () {
      const stop = ["end.\n"]
      assert.strictEqual((yield* recited("a", ["the end"], { stop })).all[0]!.text, "the end")
      assert.strictEqual((yield* recited("a", ["the end."], { stop, maxTokens: 7 })).all[0]!.text, "the end")
    })
  )

  it.effect("with characters and line breaks whole", () =>
    Effect.gen(function* () {
      const { all, parts } = yield* recited("a", ["é€😀\r\nb"])
      assert.strictEqual(all[0]!.text, "é€😀\r\nb")
      assert.deepStrictEqual(
        [...parts].map(({ text }) => text),
        ["", "é", "", "", "€", "", "", "", "😀", "\r", "\n", "b", ""]
      )
      // The limit cuts a character: it is left out.
      assert.strictEqual((yield* recited("a", ["b😀"], { maxTokens: 4 })).all[0]!.text, "b")
    })
  )

  it.effect("at the end of an item of its language", () =>
    Effect.gen(function* () {
      const text = " {\n  return 1;\n}\n\nint b;\nint c(void) { }\nint d;"
      const items = (count: number) =>
        recited("int a(void)", [text], { items: { count, lastItem } }).pipe(
          Effect.map(({ all }) => [all[0]!.text, all[0]!.ended])
        )
      assert.deepStrictEqual(yield* items(1), [" {\n  return 1;\n}", ["items"]])
      assert.deepStrictEqual(yield* items(2), [" {\n  return 1;\n}\n\nint b;", ["items"]])
      assert.deepStrictEqual(yield* items(9), [text, ["document"]])
    })
  )

  it.effect("in a loop, unless it may go on", () =>
    Effect.gen(function* () {
      const text = `int x;\n${"  call(a);\n".repeat(40)}`
      const [stopped] = (yield* recited("a", [text])).all
      assert.deepStrictEqual(stopped!.ended, ["loop"])
      // 48 characters after "int x", since ";" and the line's end are the end of the run already.
      assert.strictEqual(stopped!.text.length, 5 + 48)
      assert.strictEqual((yield* recited("a", [text], { loopStop: false })).all[0]!.text, text)
    })
  )

  it.effect("with log-probabilities of each token where they are wanted", () =>
    Effect.gen(function* () {
      const { parts } = yield* recited("a", ["bc"], { logprobs: 2 })
      const [first, second, last] = [...parts]
      assert.strictEqual(first!.logprobs!.id, 98)
      assert.strictEqual(second!.logprobs!.alternatives.length, 2)
      assert.strictEqual(second!.logprobs!.alternatives[0]!.id, 99)
      assert.closeTo(first!.logprobs!.logProbability, 9 - Math.log(Math.exp(9) + 255), 1e-6)
      assert.notProperty(last, "logprobs")
      assert.notProperty((yield* recited("a", ["b"])).parts[0], "logprobs")
    })
  )
})
