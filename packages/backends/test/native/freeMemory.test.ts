/** A large session begins in a process that holds no more than it needs. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { make } from "../../src/native/engine.ts"
import type { Tensor } from "../../src/program/Program.ts"

const engine = make({ kernels: "" })
const here = await Effect.runPromise(engine.availability)
const why = here.available ? (process.platform === "linux" ? undefined : "this is not Linux") : here.why

/** Resident pages of the program and its libraries, in kilobytes. */
const ofFiles = (): number =>
  Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1])

const held = (size: number): Tensor => ({ name: "w", shape: [size], type: "f32", role: "parameter" })

describe.skipIf(why !== undefined)(
  why === undefined ? "before a session" : `before a session: ${why}`,
  () => {
    it.effect("a large one lets go of program pages that starting touched, a small one leaves them", () =>
      Effect.gen(function* () {
        const before = ofFiles()
        yield* engine.open([held(1000)], { threads: 1, precision: "f32" })
        assert.isAbove(ofFiles(), 0.9 * before)
        const session = yield* engine.open([held(6 << 20)], { threads: 1, precision: "f32" })
        assert.isBelow(ofFiles(), 0.7 * before)
        // All that was let go of is there again when it is wanted.
        assert.strictEqual((yield* session.read("w")).length, 6 << 20)
      })
    )
  }
)
