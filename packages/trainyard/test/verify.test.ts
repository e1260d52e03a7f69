import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { sweep, Workspace } from "@trainyard/core/Workspace"
import { Effect, Schema } from "effect"
import { describe, expect, test } from "vitest"
import { compare, type Trial } from "../src/Verification.ts"
import { emptyFolder, start, trainyard } from "./spawn.ts"

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
    const verdict = compare("f32", [trial("fast", [6, 5.500_001]), checked, reference])
    expect(verdict.trusted).toBe(true)
    expect(verdict.fromReference).toBeCloseTo(1e-6)
  })

  test("distrusts losses that differ, are not finite, or are missing", () => {
    expect(compare("f32", [trial("fast", [6, 5.6]), checked, reference])).toMatchObject({ trusted: false })
    expect(compare("f32", [trial("fast", [6, Number.NaN]), checked, reference])).toMatchObject({
      trusted: false
    })
    expect(compare("f32", [trial("fast", [6]), checked, reference])).toMatchObject({ trusted: false })
  })

  test("names the operation that checked mode found", () => {
    const broken = trial("checked", [], "The cpu engine differs from reference in gelu")
    expect(compare("f32", [trial("fast", [6, 5.5]), broken, reference])).toMatchObject({
      trusted: false,
      why: "The cpu engine differs from reference in gelu"
    })
  })
})

const Answer = Schema.fromJsonString(
  Schema.Struct({
    engine: Schema.String,
    trusted: Schema.Boolean,
    fromReference: Schema.Finite,
    trials: Schema.Array(Schema.Struct({ losses: Schema.Array(Schema.Finite) }))
  })
)
const answerIn = (stdout: string) => Schema.decodeUnknownSync(Answer)(stdout.trim())

test("trainyard verify trains a few steps checked, with the settings given, whatever else runs in the workspace", async () => {
  const example = fileURLToPath(new URL("../../../examples/swap-backend/pipeline.ts", import.meta.url))
  const place = { directory: emptyFolder() }
  const one = await trainyard(place, "verify", example, "--steps", "1", "--json")
  expect(one.code).toBe(0)
  const answer = answerIn(one.stdout)
  expect(answer).toMatchObject({ engine: "cpu", trusted: true })
  expect(answer.fromReference).toBeLessThan(1e-3)

  const other = start(place, "verify", example, "--steps", "8", "--set", "train.seed=2", "--json")
  const temporary = join(place.directory, ".trainyard", "tmp")
  await expect.poll(() => readdirSync(temporary), { timeout: 20_000 }).not.toEqual([])
  // As another run in this workspace begins: it clears away what dead processes left behind.
  const swept = sweep().pipe(
    Effect.provide(Workspace.layer(join(place.directory, ".trainyard"))),
    Effect.provide(NodeServices.layer)
  )
  expect(await Effect.runPromise(swept)).toBe(0)
  const { code, stdout } = await other.outcome
  expect(code).toBe(0)
  const different = answerIn(stdout)
  expect(different.trusted).toBe(true)
  expect(different.trials[0]?.losses).toHaveLength(8)
  expect(different.trials[0]?.losses[0]).not.toBe(answer.trials[0]?.losses[0])
})
