import { describe, expect, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import * as RunStatus from "../../src/status/RunStatus.ts"
import * as Artifact from "../../src/store/Artifact.ts"
import { live, runAll } from "../harness.ts"

const Score = Artifact.kind({
  name: "score",
  version: 1,
  value: Schema.Struct({ score: Schema.Finite }),
  metrics: ({ score }) => [{ label: "score", value: score, better: "higher" }]
})
const stage = <const Name extends string>(name: Name) =>
  Stage.make({
    name,
    version: 1,
    source: import.meta.url,
    inputs: { from: Stage.optional(Score) },
    output: Score,
    config: {
      add: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
      fails: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false)))
    },
    run: ({ config, inputs }) =>
      config.fails
        ? Effect.fail(new Error("no score"))
        : Effect.succeed({ score: (inputs.from?.value.score ?? 0) + config.add })
  })
const first = stage("first")
const second = stage("second")

describe("a comparison", () => {
  it.live("ranks the trials of a sweep by what they end with, and is the same when all is reused", () =>
    Effect.gen(function* () {
      const sweep = Pipeline.make("sweep", () => {
        const base = second({ name: "base", add: 100 })
        return [3, 1, 2].map((add) => {
          const from = first({ name: `first-${add}`, add, from: base })
          return first({ name: `last-${add}`, from: from, add: 0 })
        })
      })
      // The last stages are of the first's kind and follow it: parts of one chain, not trials.
      expect((yield* runAll(sweep)).result.comparisons).toEqual([])

      const joined = Pipeline.make("joined", () =>
        [0.1, 0.3, 0.2].map((add) =>
          second({ name: `second-${add}`, from: first({ name: `first-${add}`, add }), add: -2 * add })
        )
      )
      const run = yield* runAll(joined)
      expect(run.result.comparisons).toMatchObject([
        {
          stages: ["first", "second"],
          settings: ["first.add", "second.add"],
          metrics: ["score"],
          rankedBy: "score",
          rows: [
            { rank: 1, nodes: ["first-0.1", "second-0.1"], settings: { "first.add": 0.1 } },
            { rank: 2, nodes: ["first-0.2", "second-0.2"], metrics: { score: -0.2 } },
            { rank: 3, nodes: ["first-0.3", "second-0.3"] }
          ]
        }
      ])
      expect(
        RunStatus.of(run.events.map((event) => ({ run: "r", at: "2026-01-01T00:00:00.000Z", event })))
          .comparisons
      ).toEqual(run.result.comparisons)
      expect(run.events.at(-1)?.type).toBe("RunFinished")
      const again = yield* runAll(joined)
      expect(again.result.stages.every(({ status }) => status === "cached")).toBe(true)
      const ranks = (all: typeof run) =>
        all.result.comparisons[0]?.rows.map(({ nodes, rank }) => [rank, nodes])
      expect(ranks(again)).toEqual(ranks(run))
    }).pipe(Effect.provide(live))
  )

  it.live("is not made of parts without metrics that a stage joins", () =>
    Effect.gen(function* () {
      const Part = Artifact.kind({ name: "part", version: 1, value: Schema.Struct({}) })
      const part = Stage.make({
        name: "part",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Part,
        config: { number: Schema.Int },
        run: () => Effect.succeed({})
      })
      const whole = Stage.make({
        name: "whole",
        version: 1,
        source: import.meta.url,
        inputs: { first: Part, second: Part },
        config: {},
        output: Part,
        run: () => Effect.succeed({})
      })
      const twoParts = () => {
        const [first, second] = [part({ name: "part-1", number: 1 }), part({ name: "part-2", number: 2 })]
        return { first, second }
      }
      const apart = Pipeline.make("apart", () => Object.values(twoParts()))
      expect((yield* runAll(apart)).result.comparisons).toMatchObject([{ settings: ["part.number"] }])
      const joined = Pipeline.make("joined", () => whole(twoParts()))
      expect((yield* runAll(joined)).result.comparisons).toEqual([])
    }).pipe(Effect.provide(live))
  )

  it.live("of a grid has a table for each part, and lists a trial that failed without a rank", () =>
    Effect.gen(function* () {
      const grid = Pipeline.make("grid", () =>
        [1, 2].flatMap((outer) => {
          const from = first({ name: `first-${outer}`, add: outer })
          return [10, 20].map((inner) =>
            second({
              name: `second-${outer}-${inner}`,
              from,
              add: inner,
              fails: outer === 2 && inner === 20
            })
          )
        })
      )
      const { result } = yield* runAll(grid, { concurrency: 1 })
      expect(result.status).toBe("failed")
      const [outer, whole] = result.comparisons
      expect(outer).toMatchObject({ stages: ["first"], settings: ["first.add"] })
      expect(outer?.rows).toHaveLength(2)
      expect(whole?.settings).toEqual(["first.add", "second.add", "second.fails"])
      expect(whole?.rows.map(({ rank }) => rank)).toEqual([1, 2, 3, null])
      expect(whole?.rows.at(-1)).toMatchObject({ nodes: ["second-2-20"], metrics: { score: null } })
    }).pipe(Effect.provide(live))
  )
})
