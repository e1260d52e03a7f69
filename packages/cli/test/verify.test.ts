import { fileURLToPath } from "node:url"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import { judge, type Trial } from "../src/Verification.ts"
import { emptyFolder, trainyard } from "./spawn.ts"

const trial = (how: Trial["how"], losses: ReadonlyArray<number>, problem?: string): Trial => ({
  how,
  losses,
  validationLoss: 5,
  millisecondsPerStep: 1,
  problem
})

describe("judging an engine's fast mode", () => {
  const checked = trial("checked", [6, 5.5])
  const reference = trial("reference", [6, 5.5])

  test("trusts agreement", () => {
    const verdict = judge("f32", [trial("fast", [6, 5.500_001]), checked, reference])
    expect(verdict.trusted).toBe(true)
    expect(verdict.fromReference).toBeCloseTo(1e-6)
  })

  test("distrusts losses that differ, are not finite, or are missing", () => {
    expect(judge("f32", [trial("fast", [6, 5.6]), checked, reference])).toMatchObject({ trusted: false })
    expect(judge("f32", [trial("fast", [6, Number.NaN]), checked, reference])).toMatchObject({
      trusted: false
    })
    expect(judge("f32", [trial("fast", [6]), checked, reference])).toMatchObject({ trusted: false })
  })

  test("names the operation that checked mode found", () => {
    const broken = trial("checked", [], "The cpu engine differs from reference in gelu")
    expect(judge("f32", [trial("fast", [6, 5.5]), broken, reference])).toMatchObject({
      trusted: false,
      why: "The cpu engine differs from reference in gelu"
    })
  })
})

const Answer = Schema.fromJsonString(
  Schema.Struct({ engine: Schema.String, trusted: Schema.Boolean, fromReference: Schema.Finite })
)

test("trainyard verify trains a few steps checked and answers with figures", async () => {
  const example = fileURLToPath(new URL("../../../examples/swap-backend/pipeline.ts", import.meta.url))
  const { code, stdout } = await trainyard(
    { directory: emptyFolder() },
    "verify",
    example,
    "--steps",
    "1",
    "--json"
  )
  expect(code).toBe(0)
  const answer = Schema.decodeUnknownSync(Answer)(stdout.trim())
  expect(answer).toMatchObject({ engine: "cpu", trusted: true })
  expect(answer.fromReference).toBeLessThan(1e-3)
})
