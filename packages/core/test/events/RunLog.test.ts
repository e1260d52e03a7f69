import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Stream } from "effect"
import * as fc from "fast-check"
import { EventStream } from "../../src/events/EventStream.ts"
import { decodeLine, encodeLine, type RunEvent, readLine } from "../../src/events/RunEvent.ts"
import * as RunLog from "../../src/events/RunLog.ts"
import * as RunStatus from "../../src/status/RunStatus.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { live } from "../harness.ts"

const finished: RunEvent["event"] = {
  type: "RunFinished",
  status: "succeeded",
  seconds: 1,
  stages: [],
  artifacts: {}
}
const note = (message: string): RunEvent["event"] => ({
  type: "Stage",
  stage: "collect",
  event: { type: "Note", level: "info", message }
})

describe("a line", () => {
  it("is one flat JSON object, and reads back", () => {
    const event: RunEvent = { run: "r", at: "2026-01-01T00:00:00.000Z", event: note("two\nlines") }
    const line = encodeLine(event)
    expect(line.trimEnd()).not.toContain("\n")
    expect(JSON.parse(line)).toEqual({
      run: "r",
      at: "2026-01-01T00:00:00.000Z",
      type: "Stage",
      stage: "collect",
      event: { type: "Note", level: "info", message: "two\nlines" }
    })
    expect(decodeLine(line)).toEqual(event)
  })

  it("whatever it holds, is an event or is passed over", () => {
    const good = encodeLine({ run: "r", at: "2026-01-01T00:00:00.000Z", event: finished }).trimEnd()
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.json(),
          fc.nat(good.length).map((length) => good.slice(0, length)),
          fc
            .tuple(fc.nat(good.length - 1), fc.string({ minLength: 1, maxLength: 1 }))
            .map(([at, character]) => good.slice(0, at) + character + good.slice(at + 1))
        ),
        (line) => {
          const event = decodeLine(line)
          if (event !== undefined) RunStatus.of([event])
        }
      ),
      { numRuns: 200 }
    )
  })
})

describe("a log", () => {
  it.live("is readable while it is written, and followed to its end", () =>
    Effect.gen(function* () {
      const stream = yield* EventStream
      const workspace = yield* Workspace
      const directory = `${workspace.runs}/one`
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { publish } = yield* stream.open("one", directory)
          yield* publish(note("before"))
          expect((yield* RunLog.read(directory)).map(({ event }) => event)).toEqual([note("before")])
          const following = yield* RunLog.follow(directory, 5).pipe(
            Stream.runCollect,
            Effect.forkChild({ startImmediately: true })
          )
          yield* Effect.sleep("20 millis")
          for (let i = 0; i < 50; i++) yield* publish(note(`während ${i}`))
          yield* publish(finished)
          const followed = [...(yield* Fiber.join(following))]
          expect(followed).toHaveLength(52)
          expect(followed.at(-1)!.event).toEqual(finished)
          expect(yield* RunLog.read(directory)).toEqual(followed)
        })
      )
    }).pipe(Effect.provide(live))
  )

  it.live("passes over torn and foreign lines", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { runs } = yield* Workspace
      const line = encodeLine({ run: "r", at: "2026-01-01T00:00:00.000Z", event: finished })
      yield* fs.makeDirectory(`${runs}/r`, { recursive: true })
      yield* fs.writeFileString(
        `${runs}/r/events.jsonl`,
        `${line.slice(0, 20)}\n${line}{"run":"r","at":"x","type":"FromTheFuture"}\n\u0000\u0000\n${line.slice(0, 30)}`
      )
      expect(yield* RunLog.read(`${runs}/r`)).toHaveLength(1)
    }).pipe(Effect.provide(live))
  )
})

describe("find", () => {
  it.live("takes the newest, a name, its beginning or a folder; says what there is otherwise", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { runs } = yield* Workspace
      expect((yield* Effect.flip(RunLog.find())).message).toContain("There has been no run")
      for (const run of ["20260101-1", "20260102-2", "20260103-3"]) {
        yield* fs.makeDirectory(`${runs}/${run}`, { recursive: true })
      }
      yield* fs.writeFileString(`${runs}/20260101-1/events.jsonl`, "")
      yield* fs.writeFileString(`${runs}/20260102-2/events.jsonl`, "")
      expect(yield* RunLog.find()).toBe(`${runs}/20260102-2`)
      expect(yield* RunLog.find("20260101")).toBe(`${runs}/20260101-1`)
      expect(yield* RunLog.find(`${runs}/20260101-1`)).toBe(`${runs}/20260101-1`)
      expect((yield* Effect.flip(RunLog.find("20260101-7"))).message).toContain("The nearest is 20260101-1")
    }).pipe(Effect.provide(live))
  )

  it.live(
    "refuses a beginning that several runs share, and lists them; a whole name is never ambiguous",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const { runs } = yield* Workspace
        const names = ["20260101-1", "20260101-12", "20260102-2"]
        for (const run of names) {
          yield* fs.makeDirectory(`${runs}/${run}`, { recursive: true })
          yield* fs.writeFileString(`${runs}/${run}/events.jsonl`, "")
        }
        const error = yield* Effect.flip(RunLog.find("20260101"))
        expect(error).toMatchObject({ _tag: "AmbiguousRun", candidates: ["20260101-12", "20260101-1"] })
        expect(error.message).toContain("20260101-12, 20260101-1. Give more of the one that you mean.")
        expect(yield* RunLog.find("20260101-1")).toBe(`${runs}/20260101-1`)
        expect(yield* RunLog.find("20260102")).toBe(`${runs}/20260102-2`)
        for (let index = 10; index < 22; index++) {
          yield* fs.makeDirectory(`${runs}/20260103-${index}`, { recursive: true })
          yield* fs.writeFileString(`${runs}/20260103-${index}/events.jsonl`, "")
        }
        expect((yield* Effect.flip(RunLog.find("20260103"))).message).toMatch(
          /beginning of 12 runs in .*: 20260103-21, .*, 20260103-12 and 2 older ones\./
        )
      }).pipe(Effect.provide(live))
  )
})

it("a line of another version is told from a damaged one, and a renamed event is read", () => {
  const line = (event: object) =>
    JSON.stringify({ run: "r", at: "2026-01-01T00:00:00.000Z", type: "Stage", stage: "train", event })
  const saved = { step: 3, directory: "/w", best: true, bytes: 1, seconds: 1 }
  expect(readLine(line({ type: "CheckpointSaved", ...saved }))).toMatchObject({
    _tag: "Event",
    event: { event: { event: { type: "Saved", step: 3 } } }
  })
  expect(readLine(line({ type: "Step", step: 3, loss: 1 }))).toEqual({ _tag: "Unknown" })
  expect(readLine('{"run":"r","at":"2026')).toEqual({ _tag: "Unreadable" })
  expect(readLine('{"a":1}')).toEqual({ _tag: "Unreadable" })
})
