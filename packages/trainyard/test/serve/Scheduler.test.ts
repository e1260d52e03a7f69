/** An engine that fails ends the texts that it was writing, and no others. */
import { assert, describe, it } from "@effect/vitest"
import { EngineFailure } from "@trainyard/backends/Backend"
import { Context, Effect, Exit, Layer, Queue, Stream } from "effect"
import * as Scheduler from "../../src/serve/Scheduler.ts"

/** A model that always writes token 1, over programs that fail in the runs that `fails` names, and never end after `most` runs. */
const openedWith = (fails: (run: number) => boolean, most: number) => {
  let runs = 0
  const program = {
    run: () =>
      Effect.suspend(() =>
        runs === most
          ? Effect.never
          : fails(runs++)
            ? Effect.fail(new EngineFailure({ engine: "reference", why: "it broke", transient: false }))
            : Effect.succeed({ "logits.y": Float32Array.of(0, 9, 0, 0) })
      )
  }
  const model: Scheduler.Writing["model"] = {
    codec: { encode: () => Effect.succeed([]), decode: (ids) => Effect.succeed("a".repeat(ids.length)) }
  }
  const generator = { widths: [{ program, rows: 1 }], blocks: [], slots: 2, sequenceLength: 64 }
  return { model, generator }
}

const wanted = (maxTokens: number) => ({
  sample: 0,
  prompt: { text: "", ids: [0] },
  options: { maxTokens, temperature: 0, seed: 1, loopStop: false },
  guide: undefined
})

const textOf = (written: Scheduler.Written) =>
  Stream.fromQueue(written).pipe(
    Stream.map((parts) => (parts ?? []).map(({ text }) => text).join("")),
    Stream.mkString
  )

const schedulerOf = (fails: (run: number) => boolean, most = Number.POSITIVE_INFINITY) =>
  Effect.map(Layer.build(Scheduler.layer(openedWith(fails, most), { mostWaiting: 2 })), (context) =>
    Context.get(context, Scheduler.Scheduler)
  )

describe("the scheduler", () => {
  it.live("ends what was being written when the engine fails, and goes on with the next", () =>
    Effect.gen(function* () {
      const scheduler = yield* schedulerOf((run) => run === 3)
      const first = yield* Effect.exit(Effect.scoped(Effect.flatMap(scheduler.submit([wanted(20)]), textOf)))
      assert.isTrue(Exit.isFailure(first))
      assert.deepStrictEqual(scheduler.load(), { active: 0, waiting: 0, slots: 2 })
      const second = yield* Effect.scoped(Effect.flatMap(scheduler.submit([wanted(5), wanted(2)]), textOf))
      assert.strictEqual(second, "aaaaaaa")
    }).pipe(Effect.scoped)
  )

  it.live("passes the first token on at once, and later ones together", () =>
    Effect.gen(function* () {
      const stuck = yield* schedulerOf(() => false, 1)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const written = yield* stuck.submit([wanted(9)])
          assert.deepStrictEqual(
            (yield* Queue.take(written))?.map(({ text }) => text),
            ["a"]
          )
        })
      )
      const quick = yield* schedulerOf(() => false)
      const counted = { arrivals: 0, tokens: 0 }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const arriving = Stream.fromQueue(yield* quick.submit([wanted(60)]))
          yield* Stream.runForEach(arriving, (parts) =>
            Effect.sync(() => {
              counted.arrivals++
              counted.tokens += parts?.length ?? 0
            })
          )
        })
      )
      assert.strictEqual(counted.tokens, 60)
      assert.isBelow(counted.arrivals, 60)
    }).pipe(Effect.scoped)
  )

  it.live("takes all texts of a request or none, and those of none at once", () =>
    Effect.gen(function* () {
      const scheduler = yield* schedulerOf(() => false)
      const many = Array.from({ length: 5 }, () => wanted(1))
      const refused = yield* Effect.flip(Effect.scoped(scheduler.submit(many)))
      assert.match(refused.message, /^There is no place for 5 more texts: 0 wait already\. /)
      assert.strictEqual(
        yield* Effect.scoped(Effect.flatMap(scheduler.submit(many.slice(1)), textOf)),
        "aaaa"
      )
      assert.strictEqual(yield* Effect.scoped(Effect.flatMap(scheduler.submit([]), textOf)), "")
    }).pipe(Effect.scoped)
  )
})
