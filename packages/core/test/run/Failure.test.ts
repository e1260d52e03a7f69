import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, FileSystem, Schedule } from "effect"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import * as Failure from "../../src/run/Failure.ts"
import * as Runner from "../../src/run/Runner.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { chain, Flaky, filesBelow, live, runAll, statuses, Text, textStages } from "../harness.ts"

describe("failures", () => {
  it("tell no login that stands in an address, nor does what is kept of them", () => {
    const address = "https://me:MARKER@example.com/x"
    for (const cause of [
      Cause.fail(new Flaky({ message: `No answer from ${address}.`, transient: true })),
      Cause.die(new Error(`No answer from ${address}.`))
    ]) {
      const { details, message } = Failure.of("failing", cause)
      expect(message).toContain("No answer from https://***@example.com/x.")
      expect(String(details)).not.toContain("MARKER")
    }
  })

  const failing = <E>(
    run: () => Effect.Effect<{ readonly length: number }, E>,
    retry?: Schedule.Schedule<unknown, unknown>
  ) =>
    Stage.make({
      name: "failing",
      version: 1,
      source: import.meta.url,
      inputs: {},
      output: Text,
      config: {},
      ...(retry === undefined ? {} : { retry }),
      run: ({ output }) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          expect(yield* fs.readDirectory(output)).toEqual([])
          yield* fs.writeFileString(`${output}/half.txt`, "half")
          return yield* run()
        })
    })

  it.live.each([
    ["an object", () => Effect.fail({ path: "x" }), "it gave no message, and { path: 'x' } for a reason."],
    ["nothing", () => Effect.fail(null), "it gave no message, and null for a reason."],
    ["a word", () => Effect.fail("words"), "words"],
    [
      "no Effect",
      () => Promise.resolve({ length: 1 }),
      "Stage plain failed with an uncaught error: its run gives no Effect. Write it with Effect.fn, or wrap a promise as Effect.promise(() => …)."
    ]
  ])("a stage of plain JavaScript that gives %s is told in words", ([, run, message]) =>
    Effect.gen(function* () {
      const stage = Stage.make({
        name: "plain",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {},
        run: run as () => Effect.Effect<never>
      })
      const { result } = yield* runAll(Pipeline.make("plain", () => stage()))
      expect(result.stages[0]?.failure?.message.replace(/ The details are in .*/, "")).toBe(message)
    }).pipe(Effect.provide(live))
  )

  it.live("a transient error is tried again by the stage's schedule, told as events", () =>
    Effect.gen(function* () {
      let tries = 0
      const stage = failing(
        () =>
          ++tries < 3
            ? Effect.fail(new Flaky({ message: `The network broke ${tries}.`, transient: true }))
            : Effect.succeed({ length: tries }),
        Schedule.spaced("5 millis").pipe(Schedule.upTo({ times: 5 }))
      )
      const { events, result } = yield* runAll(Pipeline.make("flaky", () => stage()))
      expect(result.status).toBe("succeeded")
      expect(events.filter((event) => event.type === "StageRetried")).toEqual([
        {
          type: "StageRetried",
          stage: "failing",
          attempt: 2,
          error: "Flaky",
          message: "The network broke 1.",
          delaySeconds: 0.005
        },
        {
          type: "StageRetried",
          stage: "failing",
          attempt: 3,
          error: "Flaky",
          message: "The network broke 2.",
          delaySeconds: 0.005
        }
      ])
    }).pipe(Effect.provide(live))
  )

  it.live("gives up when the schedule ends, and at once on a final error", () =>
    Effect.gen(function* () {
      let tries = 0
      const stage = (transient: boolean) =>
        failing(
          () => Effect.suspend(() => Effect.fail(new Flaky({ message: `No ${++tries}.`, transient }))),
          Schedule.recurs(2)
        )
      const lasting = yield* runAll(Pipeline.make("lasting", () => stage(true)()))
      expect(tries).toBe(3)
      expect(lasting.result.stages[0]!.failure!.message).toBe("No 3.")
      expect(Runner.exitCode(lasting.result)).toBe(1)
      yield* runAll(Pipeline.make("final", () => stage(false)()))
      expect(tries).toBe(4)
    }).pipe(Effect.provide(live))
  )

  it.live("leaves nothing half-made; what depends on it is skipped; what does not goes on", () =>
    Effect.gen(function* () {
      const workspace = yield* Workspace
      const stage = failing(() => Effect.fail(new Flaky({ message: "It broke.", transient: false })))
      const { double, write } = textStages()
      const pipeline = Pipeline.make("partly", () => [double({ text: stage() }), write({ after: [] })])
      const { events, result } = yield* runAll(pipeline)
      expect(statuses(result)).toMatchObject({ failing: "failed", double: "skipped" })
      expect(result.status).toBe("failed")
      expect(events).toContainEqual({
        type: "Failure",
        stage: "failing",
        error: "Flaky",
        message: "It broke."
      })
      expect(yield* filesBelow(`${workspace.artifacts}/failing`)).toEqual([])
      expect(yield* filesBelow(workspace.tmp)).toEqual([])
      expect(yield* filesBelow(workspace.scratch)).toEqual([])
      expect(yield* filesBelow(workspace.locks)).toEqual([])
    }).pipe(Effect.provide(live))
  )

  it.live("a defect is one sentence, with the stack in the run's folder", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const stage = failing(() =>
        Effect.sync((): never => {
          throw new TypeError("x is not a function")
        })
      )
      const { result } = yield* runAll(Pipeline.make("defect", () => stage()))
      const failure = result.stages[0]!.failure!
      expect(failure.error).toBe("Defect")
      expect(failure.message).toContain("Stage failing failed with an uncaught error: x is not a function.")
      expect(failure.message).not.toContain("    at ")
      expect(yield* fs.readFileString(`${result.directory}/failing.failure.txt`)).toContain("Failure.test.ts")
    }).pipe(Effect.provide(live))
  )

  it.live("a gate that fails lets the artifact stand and ends with code 3", () =>
    Effect.gen(function* () {
      const pipeline = chain(textStages(), { text: "x".repeat(600) })
      const first = yield* runAll(pipeline)
      expect(statuses(first.result)).toEqual({ write: "ran", double: "ran" })
      expect(Runner.exitCode(first.result)).toBe(3)
      expect(first.events.at(-1)).toMatchObject({ type: "RunFinished", status: "failed" })
      expect(first.events).toContainEqual({
        type: "Failure",
        stage: "double",
        error: "GateFailed",
        message: "The text has 1200 letters, more than 1000."
      })
      const again = yield* runAll(pipeline)
      expect(statuses(again.result)).toEqual({ write: "cached", double: "cached" })
      expect(Runner.exitCode(again.result)).toBe(3)
    }).pipe(Effect.provide(live))
  )

  it.live("a value that its kind's Schema refuses is the stage's failure", () =>
    Effect.gen(function* () {
      const stage = failing(() => Effect.succeed({ length: 0.5 }))
      const { result } = yield* runAll(Pipeline.make("odd", () => stage()))
      expect(result.stages[0]!.failure!.message).toContain("failing did not make a text")
    }).pipe(Effect.provide(live))
  )
})

describe("trouble that a stage does not declare", () => {
  const broken = (run: () => Effect.Effect<{ readonly length: number }>, gate?: () => undefined) =>
    Pipeline.make("broken", () =>
      Stage.make({
        name: "broken",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {},
        ...(gate === undefined ? {} : { gate }),
        run
      })()
    )
  const thrown = (error: Error) => () =>
    Effect.sync((): never => {
      throw error
    })

  it.live("a full disk met by code that knows nothing of Effect is told as one", () =>
    Effect.gen(function* () {
      const error = Object.assign(new Error("ENOSPC"), { code: "ENOSPC", path: "/disk/model.bin" })
      const { result } = yield* runAll(broken(thrown(error)))
      expect(result.stages[0]!.failure!.message).toMatch(
        /^Stage broken failed: no space is left on the disk of \/disk\/model.bin/
      )
    }).pipe(Effect.provide(live))
  )

  it.live("a stage that interrupts itself has failed; the run goes on to its end", () =>
    Effect.gen(function* () {
      const { events, result } = yield* runAll(broken(() => Effect.interrupt))
      expect(statuses(result)).toEqual({ broken: "failed" })
      expect(events.at(-1)).toMatchObject({ type: "RunFinished", status: "failed" })
    }).pipe(Effect.provide(live))
  )

  it.live("a gate that throws is the stage's failure", () =>
    Effect.gen(function* () {
      const { result } = yield* runAll(
        broken(
          () => Effect.succeed({ length: 1 }),
          () => {
            throw new RangeError("no gates")
          }
        )
      )
      expect(result.stages[0]!.failure!.message).toContain("uncaught error: no gates.")
    }).pipe(Effect.provide(live))
  )
})
