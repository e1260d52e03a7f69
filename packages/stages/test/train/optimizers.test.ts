import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decode } from "../../src/tensors/Safetensors.ts"
import { asRun, place, resultOf, type Settings, settings, sibling } from "./laboratory.ts"
import { listen, ofType, undisturbed } from "./trials.ts"

const muon = {
  ...settings,
  optimizer: "muon",
  weightDecay: { timescaleEpochs: 0.4 },
  muon: { learningRate: 0.05 }
} satisfies Settings

const stateOf = (output: string) => {
  const file = join(output, "last", "optimizer.safetensors")
  return Effect.map(decode(readFileSync(file), file), ({ tensors }) => [...tensors.keys()])
}

describe("Muon", () => {
  it.live("keeps a momentum for each hidden matrix, and AdamW's moments for everything else", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      const value = yield* undisturbed(at, muon, heard)
      const names = yield* stateOf(at.output)
      const withMomentum = names.filter((name) => name.endsWith(".momentum"))
      assert.deepStrictEqual(withMomentum.sort(), [
        "transformer.h.0.attn.c_attn.weight.momentum",
        "transformer.h.0.attn.c_proj.weight.momentum",
        "transformer.h.0.mlp.c_fc.weight.momentum",
        "transformer.h.0.mlp.c_proj.weight.momentum"
      ])
      assert.include(names, "transformer.wte.weight.firstMoment")
      assert.notInclude(names, "transformer.h.0.mlp.c_fc.weight.firstMoment")
      // An epoch is 12.5 steps, so the time scale is 5 steps at either learning rate.
      assert.closeTo(value.learning.weightDecay, 1 / (settings.learningRate * 5), 1e-9)
      assert.closeTo(value.learning.muon!.weightDecay, 1 / (0.05 * 5), 1e-9)
      const fact = ofType(heard, "Facts")[0]!.facts.find(({ label }) => label === "Muon")
      assert.match(
        fact!.text,
        /^6 hidden matrices, learning rate 0\.05, weight decay 4, a time scale of 5 steps/
      )
      const plain = sibling(at, "adamw")
      const other = yield* undisturbed(plain, settings)
      assert.notStrictEqual(other.bestValidationLoss, value.bestValidationLoss)
    }).pipe(Effect.scoped)
  )

  it.live("goes on with a finished run, and refuses one of another optimizer", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* undisturbed(plain, muon)
      const first = sibling(plain, "first")
      const value = yield* undisturbed(first, { ...muon, steps: 8, decaySteps: 24 })
      const from = asRun(first, value)
      const next = { ...sibling(plain, "next"), from }
      yield* undisturbed(next, muon)
      assert.deepStrictEqual(resultOf(next), resultOf(plain))
      const error = yield* undisturbed({ ...sibling(plain, "other"), from }, settings).pipe(Effect.flip)
      assert.match(error.message, /optimizer is "adamw", and the run to continue was trained with "muon"/)
    }).pipe(Effect.scoped)
  )
})
