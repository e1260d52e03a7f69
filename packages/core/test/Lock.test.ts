import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Lock from "../src/Lock.ts"
import * as Processes from "../src/Processes.ts"
import { sweep, Workspace } from "../src/Workspace.ts"
import { filesBelow, live } from "./harness.ts"

const silent = () => Effect.void

describe("acquire", () => {
  it.live("lets one of many in at a time, and everyone in the end", () =>
    Effect.gen(function* () {
      const { locks } = yield* Workspace
      let inside = 0
      let most = 0
      let entered = 0
      const visit = Effect.scoped(
        Effect.gen(function* () {
          yield* Lock.acquire("abc", silent)
          most = Math.max(most, ++inside)
          entered++
          yield* Effect.sleep("3 millis")
          inside--
        })
      )
      yield* Effect.all(
        Array.from({ length: 12 }, () => visit),
        { concurrency: "unbounded" }
      )
      expect({ most, entered }).toEqual({ most: 1, entered: 12 })
      expect(yield* filesBelow(locks)).toEqual([])
    }).pipe(Effect.provide(live))
  )

  it.live("does not wait for another name, nor for a dead process; tells whom it waits for", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { locks } = yield* Workspace
      const self = yield* Processes.self
      yield* fs.makeDirectory(locks, { recursive: true })
      const dead = { ...self, pid: 2 ** 22 + 1 }
      yield* fs.writeFileString(`${locks}/abc@${Processes.toText(dead)}.0`, "")
      yield* fs.writeFileString(`${locks}/abcd@${Processes.toText(self)}.0`, "")
      expect(yield* Effect.scoped(Lock.acquire("abc", silent))).toBe(false)
      const holders: Array<string> = []
      const waiting = Effect.scoped(
        Lock.acquire("abcd", (holder) => Effect.sync(() => void holders.push(holder)))
      ).pipe(Effect.timeoutOption("200 millis"))
      expect((yield* waiting)._tag).toBe("None")
      expect(holders).toEqual([`process ${process.pid}`])
    }).pipe(Effect.provide(live))
  )

  it.live("waits for another host while its claim is renewed, and no longer", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { locks } = yield* Workspace
      const far = { host: "far-away", pid: 7, started: "9" }
      const claim = `${locks}/abc@${Processes.toText(far)}.0`
      yield* fs.makeDirectory(locks, { recursive: true })
      yield* fs.writeFileString(claim, "")
      const once = Effect.scoped(Lock.acquire("abc", silent))
      expect((yield* Effect.timeoutOption(once, "100 millis"))._tag).toBe("None")
      const longAgo = new Date(Date.now() - 10 * 60_000)
      yield* fs.utimes(claim, longAgo, longAgo)
      yield* once
    }).pipe(Effect.provide(live))
  )
})

it.live("sweep removes what dead processes left in tmp, and nothing of the living", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { tmp } = yield* Workspace
    const self = yield* Processes.self
    const living = `${Processes.toText(self)}.1`
    yield* fs.makeDirectory(`${tmp}/${living}`, { recursive: true })
    yield* fs.makeDirectory(`${tmp}/${Processes.toText({ ...self, pid: 2 ** 22 + 1 })}.2/inner`, {
      recursive: true
    })
    expect(yield* sweep()).toBe(1)
    expect(yield* filesBelow(tmp)).toEqual([living])
  }).pipe(Effect.provide(live))
)
