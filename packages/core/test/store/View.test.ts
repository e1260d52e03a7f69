import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { StageEvent } from "../../src/events/RunEvent.ts"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import { Journal } from "../../src/run/Journal.ts"
import * as Artifact from "../../src/store/Artifact.ts"
import * as View from "../../src/store/View.ts"
import { live, runAll } from "../harness.ts"

const value = Schema.Struct({ size: Schema.Int })

/** A run of a stage whose kind has such a view. */
const runWith = (view: Artifact.Kind["view"], own?: StageEvent) => {
  const kind = Artifact.kind({ name: "sized", version: 1, value, view })
  const stage = Stage.make({
    name: "size",
    version: 1,
    source: import.meta.url,
    inputs: {},
    config: {},
    output: kind,
    run: Effect.fnUntraced(function* () {
      if (own !== undefined) yield* (yield* Journal).publish(own)
      return { size: 3 }
    })
  })
  return runAll(Pipeline.make("sizes", () => stage()))
}

const published = ({ events }: Effect.Success<ReturnType<typeof runWith>>) =>
  events.flatMap((event) => (event.type === "Stage" ? [event.event] : []))

const Sized = Artifact.kind({ name: "sized", version: 1, value })
const facts = View.make(Sized, { facts: ({ size }) => [{ label: "size", text: `${size} m` }] })

describe("a kind's view", () => {
  it.live("gives the facts of an artifact that was made or reused", () =>
    Effect.gen(function* () {
      const view = () => Promise.resolve({ view: facts })
      const expected = [{ type: "Facts", facts: [{ label: "size", text: "3 m" }] }]
      expect(published(yield* runWith(view))).toEqual(expected)
      expect(published(yield* runWith(view))).toEqual(expected)
    }).pipe(Effect.provide(live))
  )

  it.live("does not repeat a fact that the stage has published, and replaces one that has changed", () =>
    Effect.gen(function* () {
      const view = View.make(Sized, {
        facts: () => [
          { label: "shape", text: "round" },
          { label: "size", text: "3 m" }
        ]
      })
      const own = {
        type: "Facts",
        facts: [
          { label: "maker", text: "a test" },
          { label: "shape", text: "round" },
          { label: "size", text: "unknown" }
        ]
      } as const
      const events = published(yield* runWith(() => Promise.resolve({ view }), own))
      expect(events).toEqual([own, { type: "Facts", facts: [{ label: "size", text: "3 m" }] }])
    }).pipe(Effect.provide(live))
  )

  const broken: ReadonlyArray<[string, Artifact.Kind["view"], RegExp]> = [
    ["cannot be loaded", () => Promise.reject(new Error("gone")), /cannot be loaded: .*gone/],
    [
      "belongs to another kind",
      () => Promise.resolve({ view: { ...facts, kind: "other" } }),
      /has the view of other/
    ],
    [
      "breaks",
      () =>
        Promise.resolve({
          view: View.make(Sized, {
            facts: () => {
              throw new Error("no facts")
            }
          })
        }),
      /sized at .* cannot be shown: .*no facts/
    ]
  ]
  it.live.each(broken)("warns where it %s, and the run goes on", ([, view, message]) =>
    Effect.gen(function* () {
      yield* runWith(undefined)
      const again = yield* runWith(view)
      expect(again.result.status).toBe("succeeded")
      expect(published(again)).toEqual([
        { type: "Note", level: "warning", message: expect.stringMatching(message) }
      ])
    }).pipe(Effect.provide(live))
  )

  it.effect("gives a sentence for whatever goes wrong in its sections", () =>
    Effect.gen(function* () {
      const artifact = { kind: "sized", value: { size: 1 }, directory: "/w", cacheKey: "k" }
      const messages = yield* Effect.forEach(
        [Effect.fail({ message: "torn" }), Effect.die(new Error("bug"))],
        (make) => Effect.flip(View.sections(facts, artifact, () => make))
      )
      expect(messages.map(({ message }) => message)).toEqual([
        "The sized at /w cannot be shown: torn.",
        "The sized at /w cannot be shown: Error: bug."
      ])
    }).pipe(Effect.provide(live))
  )
})
