/** A disk that is full, or may not be written: a sentence, nothing half-made, and going on when the trouble is over. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, PlatformError } from "effect"
import { EventStream } from "../../src/events/EventStream.ts"
import * as RunLog from "../../src/events/RunLog.ts"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Runner from "../../src/run/Runner.ts"
import { Workspace, WorkspaceError } from "../../src/store/Workspace.ts"
import { filesBelow, runAll, statuses, temporaryWorkspace, textStages } from "../harness.ts"

/** What may go wrong, switched on while the test goes on. */
interface Trouble {
  code: "ENOSPC" | "EROFS" | "EACCES" | null
  /** How many writing calls still succeed. */
  after: number
}

const refusal = (code: string, method: string, path: string) =>
  PlatformError.systemError({
    _tag: code === "EACCES" ? "PermissionDenied" : "Unknown",
    module: "FileSystem",
    method,
    pathOrDescriptor: path,
    cause: Object.assign(new Error(`${code}: injected, ${method} '${path}'`), { code })
  })

/** The real file system, whose writing calls fail while there is trouble. */
const faulty = (trouble: Trouble) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const guard = <A, E, R>(method: string, path: string, work: Effect.Effect<A, E, R>) =>
        Effect.suspend((): Effect.Effect<A, E | PlatformError.PlatformError, R> => {
          if (trouble.code === null || trouble.after-- > 0) return work
          return Effect.fail(refusal(trouble.code, method, path))
        })
      return {
        ...fs,
        writeFile: (path, data, options) => guard("writeFile", path, fs.writeFile(path, data, options)),
        writeFileString: (path, data, options) =>
          guard("writeFileString", path, fs.writeFileString(path, data, options)),
        makeDirectory: (path, options) => guard("makeDirectory", path, fs.makeDirectory(path, options)),
        rename: (from, to) => guard("rename", from, fs.rename(from, to)),
        open: (path, options) =>
          options?.flag === undefined || options.flag === "r"
            ? fs.open(path, options)
            : Effect.map(guard("open", path, fs.open(path, options)), (file) => ({
                ...file,
                sync: guard("sync", path, file.sync),
                writeAll: (buffer) => guard("writeAll", path, file.writeAll(buffer))
              }))
      } satisfies FileSystem.FileSystem
    })
  )

const on = (trouble: Trouble) =>
  Layer.merge(temporaryWorkspace, EventStream.layer).pipe(
    Layer.provideMerge(faulty(trouble)),
    Layer.provideMerge(NodeServices.layer)
  )

const { double, write } = textStages()
const pipeline = Pipeline.make("troubled", () => double({ text: write() }))

const single = Pipeline.make("single", () => write())

describe("a full disk", () => {
  it.live("at any write: a sentence, nothing half-made, and the next run goes on", () =>
    Effect.gen(function* () {
      let failures = 0
      let untroubled = false
      for (let after = 0; !untroubled; after++) {
        const trouble: Trouble = { code: null, after }
        yield* Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const workspace = yield* Workspace
          trouble.code = "ENOSPC"
          const run = yield* Effect.exit(Runner.run(single))
          untroubled = trouble.after >= 0
          const said =
            run._tag === "Success"
              ? run.value.stages.flatMap(({ failure }) => (failure === null ? [] : [failure.message]))
              : run.cause.reasons.map((reason) => (reason._tag === "Fail" ? reason.error.message : "?"))
          for (const message of said) {
            failures++
            expect(message).toMatch(/no space is left on the disk/)
            expect(message).toContain("trainyard gc")
          }
          trouble.code = null
          // Whatever stands in the store is whole.
          for (const file of yield* filesBelow(workspace.artifacts)) {
            if (/^[^/]+\/[^/]+$/.test(file)) {
              expect(yield* fs.exists(`${workspace.artifacts}/${file}/manifest.json`)).toBe(true)
            }
          }
          expect(yield* filesBelow(workspace.tmp)).toEqual([])
          const { result } = yield* runAll(single)
          expect(result.status).toBe("succeeded")
          expect(yield* filesBelow(workspace.locks)).toEqual([])
        }).pipe(Effect.provide(on(trouble), { local: true }))
      }
      expect(failures).toBeGreaterThan(10)
    })
  )

  it.live("the log of a run goes on when there is space again", () => {
    const trouble: Trouble = { code: null, after: 0 }
    return Effect.gen(function* () {
      const stream = yield* EventStream
      const workspace = yield* Workspace
      const directory = `${workspace.runs}/one`
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { publish } = yield* stream.open("one", directory)
          const note = (done: number) =>
            publish({ type: "Stage", stage: "write", event: { type: "Progress", done, unit: "files" } })
          yield* note(1)
          trouble.code = "ENOSPC"
          yield* note(2)
          yield* note(3)
          trouble.code = null
          yield* note(4)
        })
      )
      const events = yield* RunLog.read(directory)
      expect(
        events.map(({ event }) => event.type === "Stage" && "done" in event.event && event.event.done)
      ).toEqual([1, 2, 3, 4])
    }).pipe(Effect.provide(on(trouble)))
  })
})

describe("a read-only workspace", () => {
  it.live("says so when something has to be made; is good enough when nothing has", () => {
    const trouble: Trouble = { code: null, after: 0 }
    return Effect.gen(function* () {
      trouble.code = "EROFS"
      const error = yield* Effect.flip(Runner.run(pipeline))
      expect(error).toBeInstanceOf(WorkspaceError)
      expect(error.message).toMatch(
        /is on a read-only file system. Choose a workspace folder that can be written/
      )
      trouble.code = null
      yield* runAll(pipeline)
      trouble.code = "EACCES"
      const { result } = yield* runAll(pipeline)
      expect(statuses(result)).toEqual({ write: "cached", double: "cached" })
      expect(result.directory).toBeNull()
    }).pipe(Effect.provide(on(trouble)))
  })
})
