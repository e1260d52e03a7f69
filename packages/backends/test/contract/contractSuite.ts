/**
 * The contract that every engine keeps, as one suite. `reference` is the judge: first each operation on generated shapes, then
 * whole training steps, generation, sessions and errors.
 */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Engine, Precision, Settings } from "../../src/Backend.ts"
import { operationSuite } from "./operationSuite.ts"
import { refusalSuite } from "./refusalSuite.ts"
import { sessionSuite } from "./sessionSuite.ts"
import { trainingSuite } from "./trainingSuite.ts"

export interface ContractOptions {
  /** f32 unless told. */
  readonly precision?: Precision
  /** Thread counts to train with; the first is used for everything else. [2, 1] unless told. */
  readonly threads?: ReadonlyArray<number>
  /** Share of a tensor's largest magnitude by which an element may differ from reference. */
  readonly tolerance?: number
  /** Generated cases for each operation. 12 unless told. */
  readonly cases?: number
}

/** What each part of the suite is given. */
export interface Contract {
  readonly engine: Engine
  readonly settings: Settings
  readonly threads: ReadonlyArray<number>
  /** Thread counts that must give the same bits. */
  readonly alike: ReadonlyArray<number>
  /** Tolerance of operations that multiply matrices, which may do so in the session's precision. */
  readonly tolerance: number
  /** Tolerance of all others, which compute in float32 always. */
  readonly exactTolerance: number
  readonly cases: number
}

/**
 * Declares the suite for one engine and precision: `await contractSuite(engine, { precision: "f32" })` at the top of a test file.
 * Where the engine cannot run it is a visible skip that says why.
 */
export const contractSuite = async (engine: Engine, options: ContractOptions = {}): Promise<void> => {
  const precision = options.precision ?? "f32"
  const threads = options.threads ?? [2, 1]
  const name = `${engine.name} ${precision}`
  const here = await Effect.runPromise(engine.availability)
  const why = !here.available
    ? `${here.why} (${here.hint})`
    : here.precisions.includes(precision)
      ? undefined
      : `it offers ${here.precisions.join(", ")} only`
  if (why !== undefined) {
    describe.skip(`${name} cannot run here: ${why}`, () => it("keeps the contract", () => {}))
    return
  }
  const f32 = 3e-5
  const contract: Contract = {
    engine,
    threads,
    alike: here.available && here.ownThreads === true ? [1] : [1, 2, 3, 5],
    settings: { threads: threads[0] ?? 1, precision },
    tolerance: options.tolerance ?? (precision === "f32" ? f32 : 4e-2),
    exactTolerance: precision === "f32" ? (options.tolerance ?? f32) : f32,
    cases: options.cases ?? 12
  }
  describe(name, () => {
    operationSuite(contract)
    trainingSuite(contract)
    sessionSuite(contract)
    refusalSuite(contract)
  })
}
