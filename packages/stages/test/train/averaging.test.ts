/** A running mean of the weights beside them: what it is, that it is judged and published, and that it survives. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decode } from "../../src/checkpoint/Safetensors.ts"
import { names } from "../../src/model/Parameters.ts"
import {
  type Heard,
  type Place,
  place,
  resultOf,
  runTraining,
  type Settings,
  services,
  settings,
  sibling,
  steady
} from "./laboratory.ts"
import { interruptAt } from "./trials.ts"

const averaged = {
  ...steady,
  averageOver: 6,
  checkpointEvery: { steps: 1 },
  keepLast: 50
} satisfies Settings

const trained = (at: Place, config: Settings, heard: Heard = { events: [] }) =>
  runTraining(at, config).pipe(Effect.provide(services(heard)))

const valuesOf = (folder: string, file: string) =>
  Effect.map(
    decode(readFileSync(join(folder, file)), file),
    ({ tensors }) => tensors.get(names.table)!.values
  )

const lossesOf = ({ events }: Heard, type: "Step" | "Evaluation") =>
  events.flatMap((event) => (event.type === type ? [event.loss ?? Number.NaN] : []))

describe("averageOver", () => {
  it.live(
    "is the mean of the first weights, then one that forgets, and training itself does not see it",
    () =>
      Effect.gen(function* () {
        const at = yield* place
        const plain = sibling(at, "plain")
        yield* trained(at, averaged)
        yield* trained(plain, { ...averaged, averageOver: 0 })
        const mean: Array<number> = []
        for (let step = 1; step <= averaged.steps; step++) {
          const folder = join(plain.scratch, "checkpoints", `step-${String(step).padStart(7, "0")}`)
          const weights = yield* valuesOf(folder, "parameters.safetensors")
          for (const [index, value] of weights.entries())
            mean[index] =
              (mean[index] ?? 0) + (value - (mean[index] ?? 0)) / Math.min(step, averaged.averageOver)
        }
        const kept = yield* valuesOf(join(at.output, "last"), "average.safetensors")
        assert.isAbove(mean.length, 0)
        for (const [index, value] of mean.entries()) assert.closeTo(kept[index]!, value, 1e-6)
        assert.deepStrictEqual(
          yield* valuesOf(join(at.output, "last"), "parameters.safetensors"),
          yield* valuesOf(join(plain.output, "last"), "parameters.safetensors")
        )
      }).pipe(Effect.scoped)
  )

  it.live("is what evaluations measure", () =>
    Effect.gen(function* () {
      const at = yield* place
      const [none, one, six]: ReadonlyArray<Heard> = [{ events: [] }, { events: [] }, { events: [] }]
      yield* trained(at, settings, none)
      yield* trained(sibling(at, "one"), { ...settings, averageOver: 1 }, one)
      yield* trained(sibling(at, "six"), { ...settings, averageOver: 6 }, six)
      assert.deepStrictEqual(lossesOf(six!, "Step").length, lossesOf(none!, "Step").length)
      for (const [index, loss] of lossesOf(none!, "Evaluation").entries()) {
        // The mean over one step is the weights themselves, but for a rounding.
        assert.closeTo(lossesOf(one!, "Evaluation")[index]!, loss, 1e-5)
        assert.isAbove(Math.abs(lossesOf(six!, "Evaluation")[index]! - loss), 1e-4)
      }
    }).pipe(Effect.scoped)
  )

  it.live("goes on bit-identical after an interruption", () =>
    Effect.gen(function* () {
      const config = { ...averaged, averageOver: 40, evaluateEvery: 7, checkpointEvery: { steps: 4 } }
      const plain = yield* place
      yield* trained(plain, config)
      for (const step of [3, 11, 18]) {
        const stopped = sibling(plain, `stopped-${step}`)
        yield* interruptAt(stopped, config, (event) => event.type === "CheckpointSaved" && event.step >= step)
        yield* trained(stopped, config)
        assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
        for (const state of ["best", "last"])
          assert.deepStrictEqual(
            readFileSync(join(stopped.output, state, "average.safetensors")),
            readFileSync(join(plain.output, state, "average.safetensors"))
          )
      }
    }).pipe(Effect.scoped)
  )
})
