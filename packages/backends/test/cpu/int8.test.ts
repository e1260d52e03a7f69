/** Precision int8 in both binaries. */
import { describe } from "@effect/vitest"
import { Effect } from "effect"
import { make } from "../../src/cpu/engine.ts"
import { int8Suite } from "../int8Suite.ts"

describe.each(["relaxed", "simd"] as const)("int8 with the binary %s", async (binary) => {
  const engine = make({ binary })
  int8Suite(engine, await Effect.runPromise(engine.availability), 1e-4)
})
