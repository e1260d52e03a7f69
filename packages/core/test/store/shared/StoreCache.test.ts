import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import * as SharedStore from "../../../src/store/shared/SharedStore.ts"
import { CacheLimit } from "../../../src/store/shared/StoreCache.ts"
import * as StoreContents from "../../../src/store/shared/StoreContents.ts"
import { Workspace } from "../../../src/store/Workspace.ts"
import { chain, filesBelow, runAll, statuses } from "../../harness.ts"
import { homes, machine, node } from "./homes.ts"

const artifactsHere = Effect.gen(function* () {
  const { artifacts } = yield* Workspace
  return (yield* filesBelow(artifacts)).filter((name) => name.endsWith("text.txt")).length
})

const notes = (events: ReadonlyArray<unknown>) =>
  JSON.stringify(events.filter((event) => /"Note"/.test(JSON.stringify(event))))

describe("a workspace with a limit", () => {
  it.live("keeps what the run uses, and lets go what was not used for the longest and is in the store", () =>
    Effect.gen(function* () {
      const home = yield* homes[0].start
      yield* Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        for (const text of ["first", "second", "third"]) {
          const { events, result } = yield* runAll(chain(undefined, { text }))
          expect(result.status).toBe("succeeded")
          // What this run uses stays, be it too much; what earlier ones used goes.
          expect(yield* artifactsHere).toBe(2)
          expect(notes(events)).toContain("more than the limit")
          if (text !== "first") expect(notes(events)).toContain("2 artifacts")
        }
        // What went comes back from the store.
        const { result } = yield* runAll(chain(undefined, { text: "first" }))
        expect(statuses(result)).toEqual({ write: "cached", double: "cached" })
        expect(yield* fs.readFileString(`${result.artifacts.double}/text.txt`)).toBe("firstfirst")
      }).pipe(Effect.provide(Layer.mergeAll(machine(home), Layer.succeed(CacheLimit, 5))))
    }).pipe(Effect.scoped, Effect.provide(node))
  )
})

describe("the contents of a store", () => {
  it.live("what is old goes when it is asked for, but for what this workspace last used", () =>
    Effect.gen(function* () {
      const home = yield* homes[0].start
      yield* runAll(chain(undefined, { text: "theirs" })).pipe(Effect.provide(machine(home)))
      yield* Effect.gen(function* () {
        yield* runAll(chain(undefined, { text: "ours" }))
        const shared = (yield* SharedStore.SharedStore)!
        const all = yield* StoreContents.list(shared)
        expect(all.map(({ what }) => what)).toEqual(["artifact", "artifact", "artifact", "artifact"])
        expect(yield* StoreContents.olderThan(all, 3_600_000)).toEqual([])
        const old = yield* StoreContents.olderThan(all, 0)
        expect(old.length).toBe(2)
        yield* StoreContents.remove(shared, old)
        expect((yield* StoreContents.list(shared)).length).toBe(2)
        const { result } = yield* runAll(chain(undefined, { text: "ours" }))
        expect(statuses(result)).toEqual({ write: "cached", double: "cached" })
      }).pipe(Effect.provide(machine(home)))
    }).pipe(Effect.scoped, Effect.provide(node))
  )
})
