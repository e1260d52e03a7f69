/**
 * The contract that every engine keeps, as one suite: each operation on generated shapes against `reference`, then whole training steps,
 * generation, sessions and refusals. It runs in any test library with `describe` and `test` (`contractSuite`), or without one (`runContract`).
 */
import { Effect } from "effect"
import type { Engine, Precision } from "../Backend.ts"
import * as Answers from "./Answers.ts"
import { expandedSuite } from "./expandedSuite.ts"
import { operationSuite } from "./operationSuite.ts"
import { refusalSuite } from "./refusalSuite.ts"
import type { Contract } from "./SuiteInput.ts"
import { sessionSuite } from "./sessionSuite.ts"
import { trainingSuite } from "./trainingSuite.ts"

export interface ContractOptions {
  /** f32 unless told. */
  readonly precision?: Precision
  /** Thread counts to train with; the first is used for everything else. [2, 1] unless told. */
  readonly threads?: ReadonlyArray<number>
  /** Share of a tensor's largest magnitude by which an element may differ from reference: 3e-5 in f32 and 4e-2 in bf16 unless told. */
  readonly tolerance?: number
  /** Generated cases for each operation. 12 unless told. */
  readonly cases?: number
  /** Reference's answers, for several suites in one process: `Answers.make()`. Of this suite alone unless told. */
  readonly answers?: Answers.Answers
}

export { Answers }

/** What the suite needs of a test library: vitest's `describe` and `test` fit, and so do those of `node:test`. */
export interface TestRunner {
  readonly describe: {
    (name: string, body: () => void): unknown
    readonly skip: (name: string, body: () => void) => unknown
  }
  readonly test: (name: string, body: () => Promise<void>) => unknown
}

/**
 * Declares the suite for one engine and precision, at the top of a test file:
 *
 * ```ts
 * await contractSuite(engine, { describe, test }, { precision: "f32" })
 * ```
 *
 * Where the engine cannot run it is a skip that says why.
 */
export const contractSuite = async (
  engine: Engine,
  runner: TestRunner,
  options: ContractOptions = {}
): Promise<void> => {
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
    runner.describe.skip(`${name} cannot run here: ${why}`, () => {
      runner.test("keeps the contract", async () => {})
    })
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
    cases: options.cases ?? 12,
    answers: options.answers ?? Answers.make(),
    describe: (name, body) => void runner.describe(name, body),
    it: {
      live: (name, test) =>
        void runner.test(name, () => Effect.runPromise(Effect.scoped(Effect.suspend(test))))
    }
  }
  runner.describe(name, () => {
    operationSuite(contract)
    trainingSuite(contract)
    expandedSuite(contract)
    sessionSuite(contract)
    refusalSuite(contract)
  })
}

/** How one test of the suite ended. */
export interface Outcome {
  /** Its name, with those of the groups that it is in. */
  readonly name: string
  readonly status: "passed" | "failed" | "skipped"
  /** Why it failed, or why it was skipped. */
  readonly why?: string
}

/** Runs the suite without a test library, one test after the other. Never fails: what went wrong is in the outcomes. */
export const runContract = Effect.fn("Contract.run")(function* (
  engine: Engine,
  options: ContractOptions = {}
): Effect.fn.Return<ReadonlyArray<Outcome>> {
  const outcomes: Array<Outcome> = []
  const tests: Array<{ readonly name: string; readonly body: () => Promise<void> }> = []
  let group = ""
  const describe = (name: string, body: () => void) => {
    const before = group
    group = `${before}${name} > `
    body()
    group = before
  }
  yield* Effect.promise(() =>
    contractSuite(
      engine,
      {
        describe: Object.assign(describe, {
          skip: (why: string) => void outcomes.push({ name: engine.name, status: "skipped", why })
        }),
        test: (name, body) => void tests.push({ name: `${group}${name}`, body })
      },
      options
    )
  )
  for (const { body, name } of tests) {
    outcomes.push(
      yield* Effect.tryPromise({ try: body, catch: (cause) => cause }).pipe(
        Effect.match({
          onSuccess: (): Outcome => ({ name, status: "passed" }),
          onFailure: (cause): Outcome => ({
            name,
            status: "failed",
            why: cause instanceof Error ? cause.message : String(cause)
          })
        })
      )
    )
  }
  return outcomes
})
