/** Sessions: generation with a cache, closing and going on elsewhere, interruption, and an event loop that stays free. */

import { Effect, Exit, Fiber, Scope } from "effect"
import type { Engine, Session } from "../Backend.ts"
import { engine as reference } from "../reference/engine.ts"
import * as assert from "./assertions.ts"
import { difference, sameBits } from "./compare.ts"
import { readAll, referenceSettings, runOnce, writeAll } from "./running.ts"
import type { Contract } from "./SuiteInput.ts"
import {
  batch,
  generateProgram,
  heldBy,
  initial,
  logitsProgram,
  lossName,
  tiny,
  trainInputs,
  trainProgram
} from "./tinyGpt.ts"

const program = trainProgram(tiny)
const tensors = heldBy([program])
const names = tensors.map((tensor) => tensor.name)

/** Runs training steps `from` to `to` and gives the losses. */
const steps = Effect.fnUntraced(function* (session: Session, from: number, to: number) {
  const prepared = yield* session.prepare(program)
  const curve: Array<number> = []
  for (let step = from; step <= to; step++)
    curve.push((yield* prepared.run(trainInputs(tiny, step)))[lossName]![0]!)
  return Float32Array.from(curve)
}, Effect.scoped)

/** Saves after step 3 on one engine, opens a new session on another, and goes on to step 6; gives those losses and what is held then. */
const moved = Effect.fnUntraced(function* (
  from: Engine,
  fromSettings: Parameters<Engine["open"]>[1],
  to: Engine,
  toSettings: Parameters<Engine["open"]>[1]
) {
  const saved = yield* Effect.gen(function* () {
    const session = yield* from.open(tensors, fromSettings)
    yield* writeAll(session, initial(tensors))
    yield* steps(session, 1, 3)
    return yield* readAll(session, names)
  }).pipe(Effect.scoped)
  return yield* Effect.gen(function* () {
    const session = yield* to.open(tensors, toSettings)
    yield* writeAll(session, saved)
    return { curve: yield* steps(session, 4, 6), held: yield* readAll(session, names) }
  }).pipe(Effect.scoped)
})

/** What a session holds, here and after it moved. */
const holding = (contract: Contract): void => {
  const { engine, it, settings, tolerance } = contract
  it.live("hold zeros until written, and what was written after", () =>
    Effect.gen(function* () {
      const session = yield* engine.open(tensors, settings)
      assert.isTrue((yield* session.read("wte")).every((value) => value === 0))
      const values = initial(tensors)
      yield* writeAll(session, values)
      for (const [name, written] of Object.entries(values)) {
        const read = yield* session.read(name)
        assert.isTrue(sameBits(read, written), name)
        read.fill(7)
        assert.isTrue(sameBits(yield* session.read(name), written), `${name} is a copy`)
      }
    })
  )

  it.live("copy elements of a tensor to another place in it, where they can", () =>
    Effect.gen(function* () {
      const session = yield* engine.open(tensors, settings)
      if (session.copyWithin === undefined) return
      const values = initial(tensors)
      yield* writeAll(session, values)
      const wanted = values.wte!.slice()
      for (const [target, start, end] of [
        [40, 3, 20],
        [7, 5, 30],
        [5, 9, 9]
      ] as const) {
        wanted.copyWithin(target, start, end)
        yield* session.copyWithin("wte", target, start, end)
        // What int8 rounds is rounded when it is written, so places beside those that were copied may differ.
        const read = yield* session.read("wte")
        if (settings.precision === "int8") wanted.set(read)
        assert.isTrue(sameBits(read, wanted), `${start} to ${end} at ${target}`)
      }
      const { length } = wanted
      for (const [target, start, end] of [
        [0, 0, length + 1],
        [1, 0, length],
        [0, 5, 4],
        [-1, 0, 1],
        [0.5, 0, 1]
      ] as const)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(session.copyWithin("wte", target, start, end))))
      assert.isTrue(sameBits(yield* session.read("wte"), wanted))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(session.copyWithin("nothing", 0, 0, 0))))
    })
  )

  it.live("a session closed and reopened, with any number of threads, goes on with the same bits", () =>
    Effect.gen(function* () {
      const session = yield* engine.open(tensors, settings)
      yield* writeAll(session, initial(tensors))
      const whole = yield* steps(session, 1, 6)
      const held = yield* readAll(session, names)
      for (const threads of contract.alike) {
        const resumed = yield* moved(engine, settings, engine, { ...settings, threads })
        assert.isTrue(sameBits(resumed.curve, whole.slice(3)), `${threads} threads`)
        const different = names.filter((name) => !sameBits(resumed.held[name]!, held[name]!))
        assert.deepStrictEqual(different, [], `${threads} threads`)
      }
    })
  )

  it.live("what one engine saved another goes on with", () =>
    Effect.gen(function* () {
      const right = yield* moved(reference, referenceSettings, reference, referenceSettings)
      const there = yield* moved(engine, settings, reference, referenceSettings)
      const back = yield* moved(reference, referenceSettings, engine, settings)
      assert.isUndefined(difference("loss", there.curve, right.curve, tolerance * 30))
      assert.isUndefined(difference("loss", back.curve, right.curve, tolerance * 30))
    })
  )

  it.live("two sessions at once do not touch each other", () =>
    Effect.gen(function* () {
      const run = Effect.gen(function* () {
        const session = yield* engine.open(tensors, settings)
        yield* writeAll(session, initial(tensors))
        return yield* steps(session, 1, 3)
      }).pipe(Effect.scoped)
      const alone = yield* run
      const both = yield* Effect.all([run, run], { concurrency: 2 })
      for (const curve of both) assert.isTrue(sameBits(curve, alone))
    })
  )
}

/** Token by token. */
const generation = (contract: Contract): void => {
  const { engine, it, settings, tolerance } = contract
  it.live("token by token with a cache gives the logits of the full forward pass", () =>
    Effect.gen(function* () {
      const full = logitsProgram(tiny)
      const prompt = generateProgram(tiny, 4)
      const next = generateProgram(tiny, 1)
      const tensors = heldBy([full, prompt, next])
      const session = yield* engine.open(tensors, settings)
      yield* writeAll(session, initial(tensors))
      const { tokens } = batch(tiny, 5)
      const [right] = Object.values(yield* runOnce(session, full, { tokens, offset: Int32Array.of(0) }))
      const continued = yield* session.prepare(next)
      const column = (from: number, to: number) =>
        Int32Array.from({ length: tiny.batch * (to - from) }, (_, i) => {
          const width = to - from
          return tokens[Math.floor(i / width) * tiny.time + from + (i % width)]!
        })
      const expected = (from: number, to: number) => {
        const rows: Array<number> = []
        for (let b = 0; b < tiny.batch; b++)
          rows.push(
            ...right!.slice((b * tiny.time + from) * tiny.vocabulary, (b * tiny.time + to) * tiny.vocabulary)
          )
        return Float32Array.from(rows)
      }
      const first = yield* runOnce(session, prompt, { tokens: column(0, 4), offset: Int32Array.of(0) })
      assert.isUndefined(difference("prompt", Object.values(first)[0]!, expected(0, 4), tolerance * 2))
      for (let t = 4; t < tiny.time; t++) {
        const out = yield* continued.run({ tokens: column(t, t + 1), offset: Int32Array.of(t) })
        assert.isUndefined(
          difference(`token ${t}`, Object.values(out)[0]!, expected(t, t + 1), tolerance * 2)
        )
      }
    })
  )
}

/** Runs beside other things. */
const concurrency = (contract: Contract): void => {
  const { engine, it, settings } = contract
  it.live("runs that are asked for at the same time take turns", () =>
    Effect.gen(function* () {
      const session = yield* engine.open(tensors, settings)
      const prepared = yield* session.prepare(program)
      yield* writeAll(session, initial(tensors))
      const beginning = yield* readAll(session, names)
      const both = (concurrency: number) =>
        Effect.forEach([1, 2], (step) => prepared.run(trainInputs(tiny, step)), { concurrency })
      const inTurn = yield* both(1)
      const held = yield* readAll(session, names)
      yield* writeAll(session, beginning)
      const atOnce = yield* both(2)
      for (const [index, outputs] of inTurn.entries())
        assert.isTrue(sameBits(atOnce[index]![lossName]!, outputs[lossName]!), `loss of step ${index + 1}`)
      for (const [name, now] of Object.entries(yield* readAll(session, names)))
        assert.isTrue(sameBits(now, held[name]!), name)
    })
  )

  it.live("outputs are copies that a later run leaves alone", () =>
    Effect.gen(function* () {
      const session = yield* engine.open(tensors, settings)
      yield* writeAll(session, initial(tensors))
      const prepared = yield* session.prepare(program)
      const first = yield* prepared.run(trainInputs(tiny, 1))
      const kept = first[lossName]!.slice()
      yield* prepared.run(trainInputs(tiny, 2))
      assert.isTrue(sameBits(first[lossName]!, kept))
    })
  )

  it.live("other fibers go on while programs run", () =>
    Effect.gen(function* () {
      const session = yield* engine.open(tensors, settings)
      const prepared = yield* session.prepare(program)
      let beats = 0
      const heart = yield* Effect.forkChild(
        Effect.forever(Effect.flatMap(Effect.yieldNow, () => Effect.sync(() => beats++)))
      )
      // Short runs may follow one another on this thread, but not for long.
      const begun = performance.now()
      for (let step = 1; step <= 3 || performance.now() - begun < 20; step++)
        yield* prepared.run(trainInputs(tiny, step))
      yield* Fiber.interrupt(heart)
      assert.isAbove(beats, 0)
    })
  )
}

/** What an interrupted run leaves. */
const interruption = (contract: Contract): void => {
  const { engine, it, settings } = contract
  it.live("what runs after an interrupted run is not touched by it", () =>
    Effect.gen(function* () {
      const session = yield* engine.open(tensors, settings)
      const prepared = yield* session.prepare(program)
      yield* writeAll(session, initial(tensors))
      const beginning = yield* readAll(session, names)
      const right = (yield* prepared.run(trainInputs(tiny, 1)))[lossName]!
      const held = yield* readAll(session, names)
      for (const milliseconds of [0, 0.5, 1, 2, 4]) {
        const running = yield* Effect.forkChild(prepared.run(trainInputs(tiny, 2)))
        yield* Effect.sleep(milliseconds)
        yield* Fiber.interrupt(running)
        yield* writeAll(session, beginning)
        const next = (yield* prepared.run(trainInputs(tiny, 1)))[lossName]!
        assert.isTrue(sameBits(next, right), `loss after an interruption at ${milliseconds} ms`)
        for (const [name, now] of Object.entries(yield* readAll(session, names)))
          assert.isTrue(sameBits(now, held[name]!), `${name} after an interruption at ${milliseconds} ms`)
      }
    })
  )

  it.live("an interrupted run leaves a session that closes, and an engine that opens again", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const session = yield* Scope.provide(engine.open(tensors, settings), scope)
      const prepared = yield* Scope.provide(session.prepare(program), scope)
      const running = yield* Effect.forkChild(prepared.run(trainInputs(tiny, 1)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(running)
      yield* Scope.close(scope, Exit.void)
      const again = yield* engine.open(tensors, settings)
      yield* writeAll(again, initial(tensors))
      assert.isAbove((yield* steps(again, 1, 1))[0]!, 0)
    })
  )
}

export const sessionSuite = (contract: Contract): void => {
  contract.describe("sessions", () => {
    holding(contract)
    generation(contract)
    concurrency(contract)
    interruption(contract)
  })
}
