import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  asRun,
  type Place,
  place,
  publishModel,
  resultOf,
  type Settings,
  settings,
  sibling,
  steady
} from "./laboratory.ts"
import { interruptAt, listen, ofType, undisturbed } from "./trials.ts"

const student = { ...steady, model: { ...steady.model, dropout: 0.1 }, seed: 11 } satisfies Settings

/** A finished run, and a place with it as the teacher. */
const taught = Effect.gen(function* () {
  const first = yield* place
  const value = yield* undisturbed(first, { ...steady, steps: 40, emaSteps: 8 })
  const teacher = asRun(first, value)
  return { first, student: (name: string): Place => ({ ...sibling(first, name), teacher }) }
})

describe("distillation", () => {
  it.live("mixes the teacher's predictions in, resumes bit-identical, and says so", () =>
    Effect.gen(function* () {
      const { first, student: placeOf } = yield* taught
      const plain = placeOf("plain")
      const heard = listen()
      const value = yield* undisturbed(plain, student, heard)
      assert.deepStrictEqual(value.learning.teacher, {
        cacheKey: plain.teacher!.cacheKey,
        weight: 0.45,
        temperature: 1.2
      })
      const fact = ofType(heard, "Facts")[0]!.facts.find(({ label }) => label === "Teacher")
      assert.match(fact!.text, /45\.0 % of the loss, at temperature 1\.2/)
      const alone = sibling(first, "alone")
      yield* undisturbed(alone, student)
      assert.notDeepEqual(resultOf(alone), resultOf(plain))
      for (const step of [4, 16]) {
        const stopped = placeOf(`stopped-${step}`)
        yield* interruptAt(stopped, student, (event) => event.type === "Saved" && event.step >= step)
        yield* undisturbed(stopped, student)
        assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
      }
    }).pipe(Effect.scoped)
  )

  it.live("the teacher's predictions alone teach a student of another family", () =>
    Effect.gen(function* () {
      const { student: placeOf } = yield* taught
      const config: Settings = {
        ...settings,
        model: { ...settings.model, family: "qwen" },
        optimizer: "muon",
        gradientAccumulationSteps: 2,
        windows: "documents",
        contextSchedule: [{ until: 0.5, sequenceLength: 4 }],
        distill: { weight: 1, temperature: 1 }
      }
      const value = yield* undisturbed(placeOf("other"), config)
      // Far below the loss of a model that knows nothing, ln 24.
      assert.isBelow(value.bestValidationLoss, 3)
    }).pipe(Effect.scoped)
  )

  it.live("a model may be the teacher; one of another tokenizer, or distill alone, is refused", () =>
    Effect.gen(function* () {
      const at = yield* place
      const { directory, value } = yield* publishModel(at)
      const teacher = { kind: "model" as const, directory, value, cacheKey: "model-of-the-tests" }
      yield* undisturbed({ ...sibling(at, "taught"), teacher }, { ...settings, steps: 4 })
      const long = { ...sibling(at, "long"), teacher }
      const error = yield* undisturbed(long, { ...settings, sequenceLength: 16 }).pipe(Effect.flip)
      assert.match(error.message, /sequenceLength is 16, and the teacher has 8 positions/)
      const dataset = { ...at.dataset, value: { ...at.dataset.value, tokenizer: "other" } }
      const other = yield* undisturbed({ ...sibling(at, "other"), dataset, teacher }, settings).pipe(
        Effect.flip
      )
      assert.match(other.message, /different tokenizers|tokenizer/)
      const alone = yield* undisturbed(at, { ...settings, distill: { weight: 0.5 } }).pipe(Effect.flip)
      assert.match(alone.message, /distill is given, and there is no teacher/)
    }).pipe(Effect.scoped)
  )
})
