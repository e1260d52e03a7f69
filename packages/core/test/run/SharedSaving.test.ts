/** Work that was saved before a run ended, with a store: another machine goes on with it. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Ref } from "effect"
import type { RunEvent } from "../../src/events/RunEvent.ts"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import { Journal } from "../../src/run/Journal.ts"
import * as SharedScratch from "../../src/store/shared/SharedScratch.ts"
import * as SharedStore from "../../src/store/shared/SharedStore.ts"
import { runAll, Text } from "../harness.ts"
import { type Home, homes, machine, node } from "../store/shared/homes.ts"
import * as S3StandIn from "../store/shared/S3StandIn.ts"

const last = 5

/** Counts to five in steps, of which each is saved and the last two are kept. `at` is done after each; `counted` are the steps that ran. */
const counting = (at: (step: number) => Effect.Effect<unknown, Error>, counted: Array<number>) => {
  const count = Stage.make({
    name: "count",
    version: 1,
    source: import.meta.url,
    inputs: {},
    output: Text,
    config: {},
    run: Effect.fn("count")(function* ({ output, scratch }) {
      const fs = yield* FileSystem.FileSystem
      const journal = yield* Journal
      const root = `${scratch}/saved`
      yield* fs.makeDirectory(root, { recursive: true })
      const saved = (yield* fs.readDirectory(root)).map((name) => Number(name.slice("step-".length)))
      for (let step = Math.max(0, ...saved) + 1; step <= last; step++) {
        counted.push(step)
        yield* fs.makeDirectory(`${root}/step-${step}`)
        yield* fs.writeFileString(`${root}/step-${step}/state`, `state of ${step}`)
        yield* journal.publish({
          ...{ type: "Saved", step, directory: `${root}/step-${step}` },
          ...{ best: false, bytes: 10, seconds: 0 }
        })
        yield* fs.remove(`${root}/step-${step - 2}`, { recursive: true, force: true })
        yield* at(step)
      }
      yield* fs.writeFileString(`${output}/text.txt`, "done")
      return { length: last }
    })
  })
  return Pipeline.make("counts", () => count())
}

const on = (home: Home) => Effect.provide(machine(home))

/** Waits until the store has this step, so that a stage can end right after. */
const until = (step: number) =>
  Effect.gen(function* () {
    const shared = (yield* SharedStore.SharedStore)!
    for (;;) {
      for (const cacheKey of yield* SharedScratch.cacheKeys(shared))
        if ((yield* SharedScratch.of(shared, cacheKey)).some((saved) => saved.step === step)) return
      yield* Effect.sleep(5)
    }
  }).pipe(Effect.orDie)

const stops = Effect.fail(new Error("stopped on purpose"))

const messages = (events: ReadonlyArray<RunEvent["event"]>, type: "Fault" | "Note") =>
  events.flatMap((event) =>
    event.type === "Stage" && event.event.type === type ? [event.event.message] : []
  )

for (const { name, skipped, start } of homes) {
  const live = skipped ? it.live.skip : it.live
  describe(`saved work in ${name}`, () => {
    live("another machine goes on from it, and what was saved is gone when the artifact is there", () =>
      Effect.gen(function* () {
        const home = yield* start
        const counted: Array<number> = []
        const broken = yield* runAll(counting((step) => (step === 3 ? stops : Effect.void), counted)).pipe(
          on(home)
        )
        expect(broken.result.status).toBe("failed")
        expect(counted).toEqual([1, 2, 3])
        yield* Effect.gen(function* () {
          const { events, result } = yield* runAll(counting(() => Effect.void, counted))
          expect(result.status).toBe("succeeded")
          expect(counted).toEqual([1, 2, 3, 4, 5])
          expect(messages(events, "Note")[0]).toMatch(/^Step 3, which run .* was brought from/)
          expect(messages(events, "Fault")).toEqual([])
          const shared = (yield* SharedStore.SharedStore)!
          expect(yield* shared.objects.list("scratch/")).toEqual([])
        }).pipe(on(home))
      }).pipe(Effect.scoped, Effect.provide(node))
    )
  })
}

describe("saved work and a store that fails", () => {
  const standIn = Effect.gen(function* () {
    const server = yield* S3StandIn.start()
    const home: Home = { address: `s3://${S3StandIn.bucket}/one`, environment: server.environment }
    return { home, server }
  })

  it.live("a copy that fails is said and stops nothing; a later one is taken", () =>
    Effect.gen(function* () {
      const { home, server } = yield* standIn
      const isDown = yield* Ref.make(true)
      server.fault = ({ key, method }) =>
        method === "PUT" && key.includes("/scratch/") && Effect.runSync(Ref.get(isDown))
          ? { status: 503, code: "SlowDown" }
          : undefined
      const counted: Array<number> = []
      const { events } = yield* Effect.gen(function* () {
        const context = yield* Effect.context<never>()
        return yield* runAll(
          counting(
            (step) =>
              step === 1
                ? Effect.andThen(Effect.sleep(400), Ref.set(isDown, false))
                : step === 2
                  ? Effect.provide(until(2), context)
                  : step === 3
                    ? stops
                    : Effect.void,
            counted
          )
        )
      }).pipe(on(home))
      expect(messages(events, "Fault")[0]).toMatch(
        /^Step 1 is saved here and is not in the store: .*SlowDown/
      )
      expect(counted).toEqual([1, 2, 3])
      yield* runAll(counting(() => Effect.void, counted)).pipe(on(home))
      expect(counted).toEqual([1, 2, 3, 4, 5])
    }).pipe(Effect.scoped, Effect.provide(node))
  )

  it.live("saved work that is damaged there is said, and the stage begins anew", () =>
    Effect.gen(function* () {
      const { home, server } = yield* standIn
      const counted: Array<number> = []
      yield* runAll(counting((step) => (step === 3 ? stops : Effect.void), counted)).pipe(on(home))
      for (const key of server.objects.keys())
        if (key.includes("/files/")) server.objects.set(key, { body: Buffer.from("spoilt"), at: new Date() })
      const { events, result } = yield* runAll(counting(() => Effect.void, counted)).pipe(on(home))
      expect(result.status).toBe("succeeded")
      expect(messages(events, "Fault")[0]).toContain("is not whole")
      expect(counted).toEqual([1, 2, 3, 1, 2, 3, 4, 5])
    }).pipe(Effect.scoped, Effect.provide(node))
  )
})
