/** Two machines, each with a workspace of its own, and one store: what one has made the other has. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Plan from "../../src/graph/Plan.ts"
import * as Runner from "../../src/run/Runner.ts"
import * as Store from "../../src/store/Store.ts"
import * as SharedStore from "../../src/store/shared/SharedStore.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { chain, counter, runAll, statuses, Text, textStages } from "../harness.ts"
import { type Home, homes, machine, node } from "../store/shared/homes.ts"
import * as S3StandIn from "../store/shared/S3StandIn.ts"

const on = (home: Home) => Effect.provide(machine(home))

const textOf = Effect.fnUntraced(function* (directory: string | undefined) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(`${directory}/text.txt`)
})

/** A run on a machine, with the text that `double` made. */
const running = Effect.fnUntraced(function* (pipeline: ReturnType<typeof chain>, options?: Runner.Options) {
  const ran = yield* runAll(pipeline, options)
  return { ...ran, text: yield* textOf(ran.result.artifacts.double) }
})

const faultsIn = (events: ReadonlyArray<{ readonly type: string }>) =>
  events.flatMap((event) => {
    const { event: inner } = event as { readonly event?: { readonly type: string; readonly message: string } }
    return inner?.type === "Fault" ? [inner.message] : []
  })

for (const { name, skipped, start } of homes) {
  const live = skipped ? it.live.skip : it.live

  describe(`two machines with ${name}`, () => {
    live("what one has made the other plans to reuse, brings, and does not make", () =>
      Effect.gen(function* () {
        const home = yield* start
        const { count, counts } = counter()
        const pipeline = chain(textStages({ count }))
        const first = yield* runAll(pipeline).pipe(on(home))
        expect(statuses(first.result)).toEqual({ write: "ran", double: "ran" })
        const second = yield* Effect.gen(function* () {
          const plan = yield* Runner.plan(pipeline)
          expect(plan.stages.map(({ action, why }) => [action, why])).toEqual([
            ["reuse", `unchanged, in the store ${home.address}`],
            ["reuse", `unchanged, in the store ${home.address}`]
          ])
          const fs = yield* FileSystem.FileSystem
          // A plan copies nothing.
          expect(yield* fs.exists((yield* Workspace).artifacts)).toBe(false)
          const ran = yield* running(pipeline)
          expect(yield* whole(pipeline)).toEqual(["unchanged", "unchanged"])
          return ran
        }).pipe(on(home))
        expect(statuses(second.result)).toEqual({ write: "cached", double: "cached" })
        expect(second.text).toBe("hellohello")
        expect(faultsIn(second.events)).toEqual([])
        expect(counts).toEqual({ write: 1, double: 1 })
      }).pipe(Effect.scoped, Effect.provide(node))
    )

    live("a stage alone brings the inputs that it reads", () =>
      Effect.gen(function* () {
        const home = yield* start
        const { count, counts } = counter()
        yield* runAll(chain(textStages({ count }))).pipe(on(home))
        const { result, text } = yield* running(chain(textStages({ count })), {
          only: ["double"],
          set: ["double.times=3"]
        }).pipe(on(home))
        expect(statuses(result)).toEqual({ write: "skipped", double: "ran" })
        expect(text).toBe("hellohellohello")
        expect(counts).toEqual({ write: 1, double: 2 })
      }).pipe(Effect.scoped, Effect.provide(node))
    )

    live("a copy here that is damaged is copied again, and said", () =>
      Effect.gen(function* () {
        const home = yield* start
        const { count, counts } = counter()
        const pipeline = chain(textStages({ count }))
        yield* Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const { result } = yield* runAll(pipeline)
          yield* fs.writeFileString(`${result.artifacts.double}/text.txt`, "hellohellO")
          const { events, result: again } = yield* runAll(pipeline)
          expect(statuses(again)).toEqual({ write: "cached", double: "cached" })
          expect(faultsIn(events).join()).toContain("text.txt is damaged")
          expect(yield* textOf(again.artifacts.double)).toBe("hellohello")
        }).pipe(on(home))
        expect(counts).toEqual({ write: 1, double: 1 })
      }).pipe(Effect.scoped, Effect.provide(node))
    )

    live("of two that make the same at once the first whole one wins, and both have it", () =>
      Effect.gen(function* () {
        const home = yield* start
        const manifests = yield* Effect.forEach(
          [1, 2, 3],
          () =>
            Effect.gen(function* () {
              const { result } = yield* runAll(chain())
              return yield* Store.readManifest(result.artifacts.double!)
            }).pipe(on(home)),
          { concurrency: "unbounded" }
        )
        // When and in how many seconds it was made differs between runs, and with it the digest.
        expect(new Set(manifests.map(({ digest }) => digest)).size).toBe(1)
        const { result } = yield* runAll(chain()).pipe(on(home))
        expect(statuses(result)).toEqual({ write: "cached", double: "cached" })
      }).pipe(Effect.scoped, Effect.provide(node))
    )

    live("who asks for all anew has it anew, here and in the store", () =>
      Effect.gen(function* () {
        const home = yield* start
        const { count, counts } = counter()
        const digestOf = (options: Runner.Options) =>
          Effect.gen(function* () {
            const { result } = yield* runAll(chain(textStages({ count })), options)
            return (yield* Store.readManifest(result.artifacts.double!)).digest
          }).pipe(on(home))
        const before = yield* digestOf({})
        const anew = yield* digestOf({ force: true })
        expect(anew).not.toBe(before)
        expect(yield* digestOf({})).toBe(anew)
        expect(counts).toEqual({ write: 2, double: 2 })
      }).pipe(Effect.scoped, Effect.provide(node))
    )
  })
}

const whole = Effect.fnUntraced(function* (pipeline: ReturnType<typeof chain>) {
  const { stages } = yield* Plan.make(pipeline)
  for (const { artifact } of stages) yield* Store.open(Text, artifact!.directory)
  return stages.map(({ why }) => why)
})

describe("a store that fails", () => {
  const standIn = Effect.gen(function* () {
    const server = yield* S3StandIn.start()
    const home: Home = { address: `s3://${S3StandIn.bucket}/one`, environment: server.environment }
    return { home, server }
  })

  it.live("does not end a run whose artifact it does not take; the next run hands it over", () =>
    Effect.gen(function* () {
      const { home, server } = yield* standIn
      yield* Effect.gen(function* () {
        server.fault = ({ method }) => (method === "PUT" ? { status: 503, code: "SlowDown" } : undefined)
        const { events, result } = yield* runAll(chain())
        expect(result.status).toBe("succeeded")
        expect(faultsIn(events)[0]).toMatch(
          /not in the store: Uploading .* failed: .* cannot serve now \(SlowDown/
        )
        expect(server.objects.size).toBe(0)
        server.fault = () => undefined
        const again = yield* runAll(chain())
        expect(statuses(again.result)).toEqual({ write: "cached", double: "cached" })
        expect([...server.objects.keys()].filter((key) => key.endsWith("/manifest.json")).length).toBe(2)
      }).pipe(on(home))
    }).pipe(Effect.scoped, Effect.provide(node))
  )

  it.live("passes: single errors, slow answers and cut connections are tried again", () =>
    Effect.gen(function* () {
      const { home, server } = yield* standIn
      const faults: ReadonlyArray<S3StandIn.Fault> = [
        { status: 500, code: "InternalError" },
        "cut",
        { status: 503, code: "SlowDown" },
        "cut-body",
        "hang"
      ]
      let asked = 0
      server.fault = ({ method }) => {
        const fault = asked % 2 === 0 && asked < 30 ? faults[(asked / 2) % faults.length] : undefined
        asked++
        return fault === "cut-body" && method !== "GET" ? "cut" : fault
      }
      yield* runAll(chain()).pipe(on(home))
      const { events, result, text } = yield* running(chain()).pipe(on(home))
      expect(statuses(result)).toEqual({ write: "cached", double: "cached" })
      expect(faultsIn(events)).toEqual([])
      expect(text).toBe("hellohello")
    }).pipe(Effect.scoped, Effect.provide(node))
  )

  it.live("has a damaged file: it is said, removed there, and made and kept again", () =>
    Effect.gen(function* () {
      const { home, server } = yield* standIn
      yield* runAll(chain()).pipe(on(home))
      const key = [...server.objects.keys()].find(
        (name) => name.includes("/double/") && name.includes("/files/")
      )!
      server.objects.set(key, { body: Buffer.from("hellohellO"), at: new Date() })
      const { events, result } = yield* runAll(chain()).pipe(on(home))
      expect(statuses(result)).toEqual({ write: "cached", double: "ran" })
      expect(faultsIn(events)[0]).toContain("text.txt is damaged there")
      const { events: after, result: third } = yield* runAll(chain()).pipe(on(home))
      expect(statuses(third)).toEqual({ write: "cached", double: "cached" })
      expect(faultsIn(after)).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(node))
  )

  it.live("ignores If-None-Match: it is said once, with the fix", () =>
    Effect.gen(function* () {
      const { home, server } = yield* standIn
      server.honoursCondition = false
      const { events } = yield* runAll(chain()).pipe(on(home))
      expect(faultsIn(events)[0]).toContain("ignores If-None-Match")
    }).pipe(Effect.scoped, Effect.provide(node))
  )

  it.live("is asked as often as its page of documentation says", () =>
    Effect.gen(function* () {
      const { home, server } = yield* standIn
      /** Methods of the requests since the last call, and how many of each; listings are apart. */
      const asked = () => {
        const counts: Record<string, number> = {}
        for (const { key, method } of server.requests.splice(0)) {
          const name = method === "GET" && key.endsWith("/") ? "LIST" : method
          counts[name] = (counts[name] ?? 0) + 1
        }
        return counts
      }
      const only = { only: ["write"] }
      yield* Effect.gen(function* () {
        yield* runAll(chain(), only)
        // A plan and a run look for it, before it is made, under its lock, and before it is kept. No work was saved: two listings.
        expect(asked()).toEqual({ GET: 3, LIST: 3, PUT: 3 })
        yield* Runner.plan(chain(), only)
        expect(asked()).toEqual({})
        yield* runAll(chain(), only)
        expect(asked()).toEqual({ GET: 1 })
      }).pipe(on(home))
      yield* Effect.gen(function* () {
        yield* Runner.plan(chain(), only)
        expect(asked()).toEqual({ GET: 1 })
        yield* runAll(chain(), only)
        expect(asked()).toEqual({ GET: 6 })
      }).pipe(on(home))
    }).pipe(Effect.scoped, Effect.provide(node))
  )

  const refusals = [
    ["no bucket", { address: "s3://absent/one" }, {}, /no bucket "absent"\. Make it/],
    ["an unknown key", {}, { AWS_ACCESS_KEY_ID: "AKIDOTHER" }, /InvalidAccessKeyId.*Check AWS_ACCESS_KEY_ID/],
    [
      "a wrong secret",
      {},
      { AWS_SECRET_ACCESS_KEY: "hush-hush" },
      /SignatureDoesNotMatch.*AWS_SECRET_ACCESS_KEY/
    ],
    ["no network", {}, { AWS_ENDPOINT_URL: "http://127.0.0.1:9" }, /could not be reached.*Check the network/]
  ] as const
  for (const [what, given, environment, words] of refusals)
    it.live(`${what}: a plan says so in one sentence, without the secret`, () =>
      Effect.gen(function* () {
        const { home } = yield* standIn
        const error = yield* Effect.flip(Runner.plan(chain())).pipe(
          on({ ...home, ...given, environment: { ...home.environment, ...environment } })
        )
        expect(error._tag).toBe("StoreError")
        expect(error.message).toMatch(words)
        expect(JSON.stringify(error)).not.toMatch(/hush-hush|stand-in-secret/)
      }).pipe(Effect.scoped, Effect.provide(node))
    )

  it.live("a manifest that names files outside its folder is not followed", () =>
    Effect.gen(function* () {
      const { home } = yield* standIn
      yield* Effect.gen(function* () {
        const shared = (yield* SharedStore.SharedStore)!
        const files = [{ path: "../escaped", bytes: 1, sha256: "0".repeat(64) }]
        expect(yield* SharedStore.downloadFiles(shared, "x/", files, "/nowhere")).toContain("outside")
      }).pipe(on(home))
    }).pipe(Effect.scoped, Effect.provide(node))
  )
})
