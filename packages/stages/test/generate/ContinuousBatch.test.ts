/** Texts that come and go: each is, token by token, what it is alone; one that leaves frees its slot. */
import { assert, describe, it } from "@effect/vitest"
import { Backend, type Engine, type Precision } from "@trainyard/backends/Backend"
import { engine as cpu } from "@trainyard/backends/cpu/engine"
import { service } from "@trainyard/backends/Engines"
import { engine as native } from "@trainyard/backends/native/engine"
import { engine as reference } from "@trainyard/backends/reference/engine"
import { Effect, Schema } from "effect"
import type { Row } from "../../src/generate/Batch.ts"
import { chooser } from "../../src/generate/Completion.ts"
import { ContinuousBatch } from "../../src/generate/ContinuousBatch.ts"
import type { Loaded } from "../../src/generate/Model.ts"
import type { Block, SlotGenerator, Width } from "../../src/generate/SlotGenerator.ts"
import * as Slots from "../../src/generate/Slots.ts"
import type { Spec } from "../../src/model/families.ts"
import { ModelConfig } from "../../src/model/ModelConfig.ts"
import { initialValues, parameters } from "../../src/model/Parameters.ts"
import { Ports } from "../../src/model/Ports.ts"

const decode = Schema.decodeUnknownSync(ModelConfig)
const sizes = { vocabularySize: 60, sequenceLength: 24 }
const specs: ReadonlyArray<Spec> = [
  { ...sizes, model: decode({ family: "gpt", embedding: 32, layers: 1, heads: 2 }) },
  { ...sizes, model: decode({ family: "qwen", embedding: 32, layers: 1, heads: 2, keyValueHeads: 1 }) }
]
const slots = 6

/** A model with random weights, without files. */
const modelOf = (spec: Spec): Loaded => ({
  directory: "",
  spec,
  parameters: parameters(spec).map((parameter) => ({
    name: parameter.name,
    shape: parameter.shape,
    read: Effect.sync(() => initialValues(parameter, 1))
  })),
  codec: { encode: () => Effect.succeed([]), decode: () => Effect.succeed("") },
  endTokenId: 0,
  tokenizer: "",
  provenance: undefined
})

const open = (engine: Engine, spec: Spec, precision: Precision = "f32") =>
  Effect.map(
    Slots.open(modelOf(spec), slots).pipe(
      Effect.provideService(
        Backend,
        service({
          engine,
          settings: { threads: 2, precision },
          caution: undefined,
          why: "of the test"
        })
      )
    ),
    ({ generator }) => generator
  )

/** A text of `length` tokens, drawn with a seed, that writes into `made`. */
const text = (prompt: ReadonlyArray<number>, seed: number, length: number, made: Array<number>): Row => {
  const choose = chooser(prompt, { temperature: 1, maxTokens: length, seed })
  return {
    prompt,
    next: (logits) =>
      Effect.sync(() => {
        const token = choose(logits)
        if (token === undefined) return undefined
        made.push(token)
        return made.length < length ? token : undefined
      })
  }
}

/** Prompts of one token up to more than a context, so that some are read in blocks and some are cut. */
const prompts = [1, 3, 9, 17, 23, 40, 2, 12].map((length, index) =>
  Array.from({ length }, (_, at) => (index * 13 + at * 7) % sizes.vocabularySize)
)

/** A generator that counts the tokens that its programs read. */
const countedBy = (generator: SlotGenerator) => {
  const tokens = { read: 0 }
  const counted = ({ program }: Block | Width) => ({
    ...program,
    run: (...[inputs, into]: Parameters<typeof program.run>) => {
      tokens.read += inputs[Ports.tokens]?.length ?? 0
      return program.run(inputs, into)
    }
  })
  const all = {
    ...generator,
    blocks: generator.blocks.map((block) => ({ ...block, program: counted(block) })),
    widths: generator.widths.map((width) => ({ ...width, program: counted(width) }))
  }
  return { generator: all, tokens }
}

const finish = (batch: ContinuousBatch<never>) =>
  Effect.gen(function* () {
    while (yield* batch.step);
  })

/** What texts of `length` tokens write, one after the other, each in a batch of its own. */
const eachAlone = (generator: SlotGenerator, prompts: ReadonlyArray<ReadonlyArray<number>>, length: number) =>
  Effect.forEach(prompts, (prompt, seed) =>
    Effect.gen(function* () {
      const made: Array<number> = []
      const batch = new ContinuousBatch<never>(generator)
      batch.join(text(prompt, seed, length, made))
      yield* finish(batch)
      return made
    })
  )

describe("texts that share a batch", () => {
  for (const engine of [reference, cpu, native])
    for (const spec of specs)
      it.live(`are what they are alone: ${engine.name}, ${spec.model.family}`, ({ skip }) =>
        Effect.gen(function* () {
          const here = yield* engine.availability
          if (!here.available) return skip(here.why)
          const generator = yield* open(engine, spec)
          const alone = yield* eachAlone(generator, prompts, 30)
          for (const one of alone) assert.strictEqual(one.length, 30)
          const batch = new ContinuousBatch<never>(generator)
          const beside: Array<Array<number>> = []
          for (const [seed, prompt] of prompts.entries()) {
            while (batch.free === 0) yield* batch.step
            beside.push([])
            batch.join(text(prompt, seed, 30, beside[seed]!))
            for (let steps = 0; steps < seed % 4; steps++) yield* batch.step
          }
          yield* finish(batch)
          assert.deepStrictEqual(beside, alone)
        }).pipe(Effect.scoped)
      )

  for (const engine of [reference, cpu, native])
    it.live(`are what they are alone where a slot holds their beginning: ${engine.name}`, ({ skip }) =>
      Effect.gen(function* () {
        const here = yield* engine.availability
        if (!here.available) return skip(here.why)
        const { generator, tokens } = countedBy(yield* open(engine, specs[1]!))
        const [whole, other] = [prompts[3]!, prompts[2]!]
        // The same, longer and shorter than the one before, by blocks and by tokens, and other texts between.
        const texts = [17, 17, 17, 14, 9, 3, 16, 17].flatMap((length, at) => {
          const text = [...whole.slice(0, length), ...(at === 2 ? [7, 8] : [])]
          return at % 3 === 1 ? [text, other] : [text]
        })
        const alone = yield* eachAlone(generator, texts, 4)
        const fresh = tokens.read
        const batch = new ContinuousBatch<never>(generator)
        const after: Array<Array<number>> = []
        for (const [seed, prompt] of texts.entries()) {
          after.push([])
          batch.join(text(prompt, seed, 4, after[seed]!))
          yield* seed % 2 === 0 ? batch.step : finish(batch)
        }
        yield* finish(batch)
        assert.deepStrictEqual(after, alone)
        assert.isBelow(tokens.read - fresh, 0.7 * fresh)
      }).pipe(Effect.scoped)
    )

  for (const [engine, precision] of [
    [reference, "f32"],
    [cpu, "f32"],
    [native, "f32"],
    [native, "bf16"],
    [native, "int8"]
  ] as const)
    it.live(`read a prompt once that they have in common: ${engine.name}, ${precision}`, ({ skip }) =>
      Effect.gen(function* () {
        const here = yield* engine.availability
        if (!here.available) return skip(here.why)
        const { generator, tokens } = countedBy(yield* open(engine, specs[1]!, precision))
        const prompt = prompts[4]!
        // All of it, without its last token, and another end.
        const texts = [prompt, prompt, prompt.slice(0, -1), [...prompt.slice(0, 14), 1, 2, 3], prompt]
        const alone = yield* eachAlone(generator, texts, 4)
        const fresh = tokens.read
        const batch = new ContinuousBatch<never>(generator)
        const beside = texts.map((): Array<number> => [])
        for (const [seed, prompt] of texts.entries()) {
          batch.join(text(prompt, seed, 4, beside[seed]!))
          // Some begin when others have read a part or are writing already.
          for (let steps = 0; steps < seed; steps++) yield* batch.step
        }
        yield* finish(batch)
        assert.deepStrictEqual(beside, alone)
        assert.isBelow(tokens.read - fresh, 0.7 * fresh)
      }).pipe(Effect.scoped)
    )

  it.live("leave at once, and free their slot", () =>
    Effect.gen(function* () {
      const generator = yield* open(cpu, specs[1]!)
      const batch = new ContinuousBatch<never>(generator)
      const [gone, kept]: [Array<number>, Array<number>] = [[], []]
      const leave = batch.join(text([1, 2], 0, 20, gone))
      batch.join(text([3], 1, 20, kept))
      for (let steps = 0; steps < 5; steps++) yield* batch.step
      assert.strictEqual(batch.free, slots - 2)
      const before = gone.length
      leave()
      leave()
      assert.strictEqual(batch.free, slots - 1)
      yield* finish(batch)
      assert.strictEqual(gone.length, before)
      assert.strictEqual(kept.length, 20)
      assert.strictEqual(batch.free, slots)
      assert.isFalse(yield* batch.step)
    }).pipe(Effect.scoped)
  )

  it.live("wait for one block of another's prompt a token at most", () =>
    Effect.gen(function* () {
      const generator = yield* open(cpu, specs[0]!)
      let blocks = 0
      const counted = {
        ...generator,
        blocks: generator.blocks.map((block) => ({
          ...block,
          program: {
            ...block.program,
            run: (inputs: Parameters<typeof block.program.run>[0]) => {
              blocks++
              return block.program.run(inputs)
            }
          }
        }))
      }
      const batch = new ContinuousBatch<never>(counted)
      const made: Array<number> = []
      batch.join(text([1], 0, 10, made))
      yield* batch.step
      batch.join(text(prompts[5]!, 1, 3, []))
      batch.join(text(prompts[4]!, 2, 3, []))
      for (let steps = 1; steps < 4; steps++) {
        yield* batch.step
        assert.strictEqual(made.length, 1 + steps)
        assert.isAtMost(blocks, steps)
      }
      assert.isAbove(blocks, 1)
    }).pipe(Effect.scoped)
  )
})
