import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import type { Artifact } from "@trainyard/core/Artifact"
import { Deferred, Effect, Fiber } from "effect"
import type { AveragedWeights } from "../../src/diloco/AveragedWeights.ts"
import { parameterCount } from "../../src/model/Parameters.ts"
import * as TensorFile from "../../src/tensors/TensorFile.ts"
import { place, publishRun, type Settings, services, sibling } from "../train/laboratory.ts"
import { listen, ofType, undisturbed } from "../train/trials.ts"
import { bitsIn, type Made, make, plan, replication, trained } from "./laboratory.ts"

const largestDifference = Effect.fnUntraced(function* (a: string, b: string) {
  const [first, second] = [yield* TensorFile.open(a), yield* TensorFile.open(b)]
  let largest = 0
  for (const [name, tensor] of first.tensors) {
    const [mine, other] = [yield* tensor.read, yield* second.tensors.get(name)!.read]
    for (let i = 0; i < mine.length; i++) largest = Math.max(largest, Math.abs(mine[i]! - other[i]!))
  }
  return largest
})

describe("data parallel training", () => {
  it("is a graph of ordinary stages: each replica's round follows the last average and its own round before", () => {
    const run = plan({ ...replication, name: "pair" })
    assert.deepStrictEqual([run.name, run.stage.name, run.kind.name], ["pair", "diloco", "trained-run"])
    const average = run.inputs.average!
    assert.deepStrictEqual(
      Object.entries(average.inputs).map(([key, node]) => [key, node.name]),
      [
        ["dataset", "dataset"],
        ["before", "pair-round-2"],
        ["replica1", "pair-round-3-replica-1"],
        ["replica2", "pair-round-3-replica-2"]
      ]
    )
    const second = average.inputs.replica2!
    assert.deepStrictEqual(
      [second.inputs.average?.name, second.inputs.previous?.name, second.config.decaySteps],
      ["pair-round-2", "pair-round-2-replica-2", 24]
    )
    const beginning = average.inputs.before!.inputs.before!.inputs.before!
    assert.deepStrictEqual([beginning.name, Object.keys(beginning.inputs)], ["pair-start", ["dataset"]])
  })

  it("refuses what makes no such training in a sentence", () => {
    const refused = (options: object, message: string) =>
      assert.throws(() => plan({ ...replication, ...options }), message)
    refused({ experimental: undefined }, "give experimental: true to use it.")
    refused({ replicas: 0 }, "replicas of diloco is a whole number from 1 to 16, and is 0.")
    refused({ replicas: 17 }, "from 1 to 16, and is 17.")
    refused({ rounds: 1.5 }, "rounds of diloco is a whole number of at least 1, and is 1.5.")
    refused({ localSteps: "8" }, "localSteps of diloco is a whole number of at least 1, and is 8.")
    refused(
      { averageLast: 0.2 },
      "diloco does not take the setting averageLast of train: the average of the replicas is what is evaluated and published. Take it out."
    )
    refused({ steps: 100 }, "steps of train: rounds and localSteps say how long it trains. Take it out.")
    // As one that was not given.
    assert.strictEqual(plan({ ...replication, ...({ averageLast: undefined } as object) }).name, "diloco")
  })

  it.live("learns, and its result is a run that train goes on with and checkpoint publishes", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      const run = yield* trained(at, { ...replication, calibrate: true }, { heard })
      const { value } = run
      assert.strictEqual(value.steps, 24)
      assert.strictEqual(value.tokensSeen, 2 * 24 * 2 * 8)
      assert.closeTo(value.epochs, (2 * 24 * 2) / 25, 1e-9)
      assert.deepStrictEqual(value.learning.replicas, {
        count: 2,
        localSteps: 8,
        outerLearningRate: 0.7,
        outerMomentum: 0.9
      })
      const curve = readFileSync(join(run.directory, "curve.jsonl"), "utf8").trimEnd().split("\n")
      const points = curve.map((line) => JSON.parse(line))
      assert.strictEqual(points.length, 24 + 3)
      const losses = points.flatMap(({ validationLoss }) => validationLoss ?? [])
      assert.isBelow(losses.at(-1)!, losses[0]!)
      assert.strictEqual(value.lastValidationLoss, losses.at(-1))
      assert.strictEqual(value.bestValidationLoss, Math.min(...losses))
      assert.match(JSON.stringify(ofType(heard, "Facts")), /2, averaged every 8 steps in 3 rounds/)
      // The next batch is the one after those of both replicas.
      const next = { ...sibling(at, "next"), from: run }
      const {
        model: _,
        experimental: __,
        localSteps: ___,
        replicas: ____,
        rounds: _____,
        ...inner
      } = replication
      const further = yield* undisturbed(next, { ...inner, calibrate: true, steps: 30 } as Settings)
      assert.strictEqual(further.steps, 30)
      assert.closeTo(further.epochs, value.epochs + (6 * 2) / 25, 1e-9)
      yield* publishRun({ ...at, output: run.directory }, value, "model", {}).pipe(
        Effect.provide(services(listen()))
      )
      assert.match(readFileSync(join(at.root, "model", "README.md"), "utf8"), /2, averaged every 8 steps/)
    }).pipe(Effect.scoped)
  )

  it.live(
    "one replica with outer learning rate 1 and no momentum is plain training but for the rounding of differences",
    () =>
      Effect.gen(function* () {
        const plain = yield* place
        const { experimental: _, localSteps: __, replicas: ___, rounds: ____, ...inner } = replication
        const value = yield* undisturbed(plain, { ...inner, steps: 24, evaluateEvery: 8 } as Settings)
        const at = yield* place
        const run = yield* trained(at, {
          ...replication,
          replicas: 1,
          outer: { learningRate: 1, momentum: 0 }
        })
        const weights = (directory: string) => join(directory, "last", "parameters.safetensors")
        const difference = yield* largestDifference(weights(run.directory), weights(plain.output))
        // Weights of this model are about 0.1.
        assert.isAbove(difference, 0)
        assert.isBelow(difference, 2e-4)
        assert.closeTo(run.value.lastValidationLoss, value.lastValidationLoss, 1e-4)
        const firstRound = (directory: string) =>
          readFileSync(join(directory, "curve.jsonl"), "utf8").split("\n").slice(0, 8)
        assert.deepStrictEqual(firstRound(run.directory), firstRound(plain.output))
      }).pipe(Effect.scoped, Effect.provide(services(listen())))
  )

  it.live(
    "has the same bits in whatever order the replicas train, and after an interruption within a round",
    () =>
      Effect.gen(function* () {
        // Muon for the matrices of the hidden layer, AdamW for the rest.
        const options = {
          ...replication,
          rounds: 2,
          optimizer: "muon",
          checkpointEvery: { steps: 3 }
        } as const
        const at = yield* place
        yield* trained(at, options)
        const other = yield* place
        yield* trained(other, options, { reversed: true })
        assert.deepStrictEqual(bitsIn(other), bitsIn(at))
        const stopped = yield* place
        const made: Made = new Map()
        const reached = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          trained(stopped, options, {
            made,
            react: (event) =>
              event.type === "Saved" && event.step > 8 ? Deferred.succeed(reached, undefined) : Effect.void
          })
        )
        yield* Deferred.await(reached)
        yield* Fiber.interrupt(fiber)
        assert.isFalse(existsSync(join(stopped.root, "diloco")))
        const heard = listen()
        yield* trained(stopped, options, { made, heard })
        assert.isAtLeast(ofType(heard, "Resumed")[0]!.step, 9)
        assert.deepStrictEqual(bitsIn(stopped), bitsIn(at))
      }).pipe(Effect.scoped)
  )

  it.live(
    "hands on two bytes a weight for the difference, and the optimizer's state only where it is kept",
    () =>
      Effect.gen(function* () {
        const at = yield* place
        const made: Made = new Map()
        yield* trained(at, { ...replication, rounds: 2, innerState: "reset" }, { made })
        const { value } = made.get("diloco-start") as Artifact<typeof AveragedWeights>
        const size = (file: string) => statSync(join(at.root, "diloco-round-2-replica-1", file)).size
        assert.closeTo(size("difference.safetensors"), 2 * parameterCount(value), 2000)
        assert.isFalse(existsSync(join(at.root, "diloco-round-2-replica-1", "optimizer.safetensors")))
        assert.isFalse(existsSync(join(at.root, "diloco", "last", "optimizer.safetensors")))
      }).pipe(Effect.scoped)
  )

  it.live("publishes the best round where a later one is worse, and stops where weights diverge", () =>
    Effect.gen(function* () {
      const at = yield* place
      // An outer learning rate that overshoots.
      const run = yield* trained(at, {
        ...replication,
        replicas: 1,
        outer: { learningRate: 8, momentum: 0.9 }
      })
      const { bestStep, bestValidationLoss, lastValidationLoss } = run.value
      assert.isBelow(bestValidationLoss, lastValidationLoss)
      const best = readFileSync(join(run.directory, "best", "parameters.safetensors"))
      const average = join(at.root, `diloco-round-${bestStep / 8}`, "parameters.safetensors")
      assert.isTrue(best.equals(readFileSync(average)))
      const other = yield* place
      const wild = { ...replication, learningRate: 1e9, minLearningRate: 1e9, warmUp: 0, weightDecay: 0 }
      const error = yield* make(other, plan({ ...wild, rounds: 1, localSteps: 1 })).pipe(Effect.flip)
      assert.match(error.message, /more than float16 holds: training has diverged\. Lower learningRate\./)
    }).pipe(Effect.scoped)
  )
})
