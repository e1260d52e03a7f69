import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, FileSystem } from "effect"
import * as Lock from "../../src/store/Lock.ts"
import * as Processes from "../../src/store/Processes.ts"
import { abandoned, sweep, TouchEvery, temporaryDirectory, Workspace } from "../../src/store/Workspace.ts"
import { filesBelow, live } from "../harness.ts"

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
      expect((yield* Effect.scoped(Lock.acquire("abc", silent))).waited).toBe(false)
      const holders: Array<string> = []
      const waiting = Effect.scoped(
        Lock.acquire("abcd", (holder) => Effect.sync(() => void holders.push(holder)))
      ).pipe(Effect.timeoutOption("200 millis"))
      expect((yield* waiting)._tag).toBe("None")
      expect(holders).toEqual([`process ${process.pid}`])
    }).pipe(Effect.provide(live))
  )

  const lostAfter = Duration.seconds(2)
  const timed = Effect.provideService(Lock.Timing, { renewEvery: Duration.millis(20), lostAfter })

  /** A claim on a name as another container would make it that has this one's host name. */
  const foreignClaim = Effect.fnUntraced(function* (name: string) {
    const fs = yield* FileSystem.FileSystem
    const { locks } = yield* Workspace
    // A number that no process here has: by that alone it would look dead.
    const far = { ...(yield* Processes.self), machine: "0123456789abcdef", pid: 2 ** 22 + 1 }
    const file = `${locks}/${name}@${Processes.toText(far)}.0`
    yield* fs.makeDirectory(locks, { recursive: true })
    yield* fs.writeFileString(file, "")
    return { file, host: far.host }
  })

  it.live(
    "waits for a container with the same host name, and says which file to remove should it be gone",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const { file, host } = yield* foreignClaim("abc")
        const told: Array<readonly [string, string | undefined]> = []
        const waiting = yield* Lock.acquire("abc", (holder, hint) =>
          Effect.sync(() => void told.push([holder, hint]))
        ).pipe(Effect.scoped, Effect.forkChild)
        while (told.length === 0) yield* Effect.sleep("10 millis")
        yield* Effect.sleep("700 millis")
        expect(yield* fs.exists(file)).toBe(true)
        expect(told).toHaveLength(1)
        expect(told[0]![0]).toBe(`process ${2 ** 22 + 1} on ${host}`)
        expect(told[0]![1]).toContain(`remove ${file}`)
        expect([...(yield* Lock.held())]).toEqual([["abc", { holder: told[0]![0], file }]])
        yield* fs.remove(file)
        expect((yield* Fiber.join(waiting)).waited).toBe(true)
      }).pipe(Effect.provide(live))
  )

  it.live(
    "waits for another machine while its claim is touched; one watched for long without that is lost",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const { file } = yield* foreignClaim("abc")
        // Its clock may be hours off: what counts is that it changes.
        let touched = Date.now() - 3 * 3_600_000
        const touch = Effect.suspend(() => {
          touched += 1000
          return fs.utimes(file, new Date(touched), new Date(touched))
        })
        yield* touch
        const holder = yield* Effect.forkChild(
          Effect.forever(Effect.andThen(touch, Effect.sleep("50 millis")))
        )
        const waiter = yield* Effect.forkChild(Effect.scoped(timed(Lock.acquire("abc", silent))))
        yield* Effect.sleep("4 seconds")
        expect(yield* fs.exists(file)).toBe(true)
        yield* Fiber.interrupt(holder)
        expect((yield* Fiber.join(waiter)).waited).toBe(true)
        expect(yield* fs.exists(file)).toBe(false)
      }).pipe(Effect.provide(live))
  )

  it.live("does not wait for another machine that has been silent for more than a day", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { file } = yield* foreignClaim("abc")
      const longAgo = new Date(Date.now() - 25 * 3_600_000)
      yield* fs.utimes(file, longAgo, longAgo)
      expect(yield* Lock.dead()).toEqual([file.slice(file.lastIndexOf("/") + 1)])
      expect((yield* Effect.scoped(Lock.acquire("abc", silent))).waited).toBe(false)
    }).pipe(Effect.provide(live))
  )

  it.live("a holder whose claim is taken away is told", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { locks } = yield* Workspace
      const error = yield* Effect.gen(function* () {
        const { lost } = yield* timed(Lock.acquire("abc", silent))
        expect((yield* Effect.timeoutOption(lost, "200 millis"))._tag).toBe("None")
        for (const file of yield* fs.readDirectory(locks)) yield* fs.remove(`${locks}/${file}`)
        return yield* Effect.flip(Effect.timeout(lost, "5 seconds"))
      }).pipe(Effect.scoped)
      expect(error._tag).toBe("LockLost")
      expect(error.message).toMatch(/Its claim .*abc@.* was removed while it worked/)
    }).pipe(Effect.provide(live))
  )

  it.live("tryAcquire takes what is free and leaves what is held", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { file } = yield* foreignClaim("abc")
      expect(yield* Effect.scoped(Lock.tryAcquire("abc"))).toBe(false)
      expect(yield* Effect.scoped(Lock.tryAcquire("abcd"))).toBe(true)
      yield* fs.remove(file)
      expect(yield* Effect.scoped(Lock.tryAcquire("abc"))).toBe(true)
    }).pipe(Effect.provide(live))
  )
})

describe("a folder in tmp", () => {
  it.live(
    "is touched while its process is at work, so that another machine does not take it for left behind",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const longAgo = new Date(Date.now() - 30 * 86_400_000)
        yield* Effect.gen(function* () {
          const directory = yield* temporaryDirectory("a test").pipe(
            Effect.provideService(TouchEvery, "100 millis")
          )
          const elsewhere = { host: "far-away", id: "0123456789abcdef" }
          const judged = Effect.provideService(abandoned(), Processes.Machine, elsewhere)
          const name = directory.slice(directory.lastIndexOf("/") + 1)
          expect(yield* judged).toEqual([])
          yield* fs.utimes(directory, longAgo, longAgo)
          expect(yield* judged).toEqual([name])
          // Touched again: else this waits until the test's time is over.
          while ((yield* judged).length > 0) yield* Effect.sleep("20 millis")
        }).pipe(Effect.scoped)
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
    // Neither what a person put there, nor what another machine may be writing.
    const far = Processes.toText({ ...self, machine: "0123456789abcdef", pid: 2 ** 22 + 1 })
    for (const name of ["notes.txt", `${far}.3`]) yield* fs.writeFileString(`${tmp}/${name}`, "")
    expect(yield* sweep()).toBe(1)
    expect(yield* filesBelow(tmp)).toEqual([living, `${far}.3`, "notes.txt"].sort())
  }).pipe(Effect.provide(live))
)
