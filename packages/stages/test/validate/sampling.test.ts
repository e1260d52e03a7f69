/** The sampling settings of the validate stage. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { validate } from "../../src/validate/validate.ts"

/** A config decoded, or the sentence that refuses it. */
const decoded = (config: Readonly<Record<string, unknown>>) => {
  const node = validate({ model: {}, dataset: {}, ...config } as never)
  return Schema.decodeUnknownEffect(node.stage.config)(node.config).pipe(
    Effect.match({ onFailure: ({ message }) => message, onSuccess: (value: unknown) => value })
  ) as Effect.Effect<unknown>
}

describe("sampling settings", () => {
  it.effect("are taken, and left out change nothing of the config", () =>
    Effect.gen(function* () {
      const given = { topP: 0.9, minP: 0.05, repetitionPenalty: 1.2, dryMultiplier: 1, dryBase: 2 }
      assert.deepInclude(yield* decoded(given), given)
      assert.doesNotHaveAnyKeys(yield* decoded({}), ["topP", "minP", "repetitionPenalty", "dryMultiplier"])
    })
  )

  it.effect("are refused where they are out of range or have no effect", () =>
    Effect.gen(function* () {
      const refused = [
        [{ topP: 0 }, /topP/],
        [{ topP: 1.1 }, /topP/],
        [{ minP: -1 }, /minP/],
        [{ repetitionPenalty: 0 }, /repetitionPenalty/],
        [{ dryBase: 0.9 }, /dryBase/],
        [
          { dryMultiplier: 0, dryAllowedLength: 4 },
          /dryAllowedLength has no effect, because dryMultiplier is 0/
        ],
        [{ temperature: 0, dryMultiplier: 0, dryBase: 2 }, /dryBase has no effect/],
        [
          { guided: false, redeclarationPenalty: 2 },
          /redeclarationPenalty has no effect, because guided is false/
        ],
        [{ temperature: 0, topP: 0.9 }, /topP has no effect, because temperature is 0 .* take topP out\./],
        [{ temperature: 0, topP: 0.9, minP: 0.1 }, /topP and minP have no effect/]
      ] as const
      for (const [config, sentence] of refused) assert.match(String(yield* decoded(config)), sentence)
      assert.isObject(yield* decoded({ temperature: 0, repetitionPenalty: 1.2 }))
    })
  )
})
