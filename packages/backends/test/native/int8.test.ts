/** Precision int8 on every kernel path. */
import { describe } from "@effect/vitest"
import { Effect } from "effect"
import { int8Suite } from "../int8Suite.ts"
import { engineFor, paths } from "./paths.ts"

describe.each(paths)("int8 on %s", async (kernels) => {
  const engine = engineFor(kernels)
  // Many rows are rounded to bf16 as well where the processor multiplies it.
  int8Suite(engine, await Effect.runPromise(engine.availability), 4e-2)
})
