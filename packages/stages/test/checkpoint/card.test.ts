import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { place, publishRun, runTraining, services, settings } from "../train/laboratory.ts"

it.live("a card holds no control characters and no bidirectional marks", () =>
  Effect.gen(function* () {
    const at = yield* place
    const run = yield* runTraining(at, settings)
    const control = "a\u001b[2Jb\u009bc\u202ed\u0007"
    const data = { ...run.data, origins: [{ origin: control, documents: 1 }] }
    yield* publishRun(at, { ...run, data }, "published", { title: control })
    const card = readFileSync(join(at.root, "published", "README.md"), "utf8")
    assert.include(card, "# a?[2Jb?c?d?")
    assert.include(card, "| a?[2Jb?c?d? | 1 |")
    assert.notMatch(card, /(?![\n\t])[\p{Cc}\p{Bidi_Control}]/u)
  }).pipe(Effect.scoped, Effect.provide(services({ events: [] })))
)
