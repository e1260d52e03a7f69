import { homedir } from "node:os"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Processes from "@trainyard/core/Processes"
import { encodeLine } from "@trainyard/core/RunEvent"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Layer, Path } from "effect"
import { TestClock } from "effect/testing"
import { clean } from "../../src/clean/clean.ts"
import { HomeFolder } from "../../src/clean/removal.ts"
import * as Running from "../runStage.ts"

/** Names of processes that have ended and that run, as files of theirs carry them. */
const { dead, far, gone, here, living } = await Effect.runPromise(
  Processes.self.pipe(
    Effect.map((self) => {
      const gone = { ...self, pid: 4_194_304, started: "1" }
      return {
        here: self,
        gone,
        // In a container with the same host name.
        far: { ...gone, machine: "0123456789abcdef" },
        living: Processes.toText(self),
        dead: Processes.toText(gone)
      }
    }),
    Effect.provide(NodeServices.layer)
  )
)
const print = (letter: string): string => letter.repeat(64)

/** A workspace with the files named, each holding `x`. Runs a test inside, with the folder above it. */
const within = <A, E, R>(
  files: ReadonlyArray<string>,
  test: (root: string, above: string) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const above = yield* fs.realPath(yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-clean-" }))
    const root = path.join(above, "workspace")
    for (const file of files) {
      yield* fs.makeDirectory(path.join(root, path.dirname(file)), { recursive: true })
      yield* fs.writeFileString(path.join(root, file), "x")
    }
    return yield* test(root, above).pipe(Effect.provide(Workspace.layer(root)))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const exists = (file: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.exists(file))

const started = (pipeline: string, owner: Processes.Process, cacheKey: string) =>
  `${encodeLine({
    run: "r",
    at: new Date().toISOString(),
    event: {
      type: "RunStarted",
      pipeline,
      workspace: "/w",
      process: owner.pid,
      owner,
      backend: "",
      stages: [{ name: "collect", runs: true, why: "", after: [], cacheKey, config: {} }]
    }
  })}\n`

describe("clean", () => {
  it.effect("removes what killed and older runs left, and nothing else", () =>
    within(
      [
        `tmp/${dead}.a/file`,
        `tmp/${Processes.toText(far)}.a/file`,
        `scratch/${print("a")}/checkpoint`,
        `artifacts/collect/${print("b")}/manifest.json`,
        "downloads/npm/x/package.tgz",
        "tmp/mine.txt",
        "notes.txt"
      ],
      (root) =>
        Effect.gen(function* () {
          const { artifact, events } = yield* Running.runStage(clean())
          assert.deepStrictEqual(
            artifact.value.removed.map((item) => item.path),
            [`tmp/${dead}.a`]
          )
          assert.strictEqual(artifact.value.bytes, 1)
          assert.isFalse(yield* exists(`${root}/tmp/${dead}.a`))
          for (const path of [
            `tmp/${Processes.toText(far)}.a/file`,
            `scratch/${print("a")}/checkpoint`,
            `artifacts/collect/${print("b")}/manifest.json`,
            "downloads/npm/x/package.tgz",
            "tmp/mine.txt",
            "notes.txt"
          ]) {
            assert.isTrue(yield* exists(`${root}/${path}`), path)
          }
          assert.isTrue(
            events.some((event) => event.type === "Note" && event.message === `Removed tmp/${dead}.a`)
          )
        })
    )
  )

  it.effect("keeps the newest logs, and those whose work can be resumed", () =>
    within(["artifacts/x"], (root) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const runs = [1, 2, 3, 4].map((n) => `2026010${n}-120000-000-abcdef`)
        for (const [index, run] of runs.entries()) {
          yield* fs.makeDirectory(`${root}/runs/${run}`, { recursive: true })
          yield* fs.writeFileString(
            `${root}/runs/${run}/events.jsonl`,
            started("p", gone, print(String(index)))
          )
        }
        yield* fs.makeDirectory(`${root}/scratch/${print("1")}`, { recursive: true })
        yield* fs.writeFileString(`${root}/scratch/${print("1")}/checkpoint`, "x")
        const { artifact } = yield* Running.runStage(clean({ keepRuns: 2 }))
        assert.deepStrictEqual(
          artifact.value.removed.map((item) => item.path),
          [`runs/${runs[0]}`]
        )
        assert.isTrue(yield* exists(`${root}/scratch/${print("1")}/checkpoint`))
      })
    )
  )

  for (const extent of ["leftovers", "everything"] as const) {
    it.effect(`work that can be resumed goes only by name or by age (${extent})`, () =>
      within([`scratch/${print("a")}/checkpoint`, `scratch/${print("b")}/checkpoint`], (root) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const removed = (config: Parameters<typeof clean>[0]) =>
            Effect.map(Running.runStage(clean({ extent, ...config })), ({ artifact }) =>
              artifact.value.removed.map((item) => item.path)
            )
          // The clock of a test stands at 1970.
          yield* TestClock.setTime(Date.now())
          assert.deepStrictEqual(yield* removed({}), [])
          assert.deepStrictEqual(yield* removed({ scratchOlderThanDays: 30 }), [])
          const longAgo = new Date(Date.now() - 31 * 86_400_000)
          yield* fs.utimes(`${root}/scratch/${print("a")}/checkpoint`, longAgo, longAgo)
          assert.deepStrictEqual(yield* removed({ scratchOlderThanDays: 30 }), [`scratch/${print("a")}`])
          assert.deepStrictEqual(yield* removed({ scratch: [print("a")] }), [])
          // Somebody works on it, perhaps.
          yield* fs.makeDirectory(`${root}/locks`, { recursive: true })
          const claim = `${root}/locks/${print("b")}@${Processes.toText(far)}.0`
          yield* fs.writeFileString(claim, "")
          assert.deepStrictEqual(yield* removed({ scratch: [print("b")] }), [])
          yield* fs.remove(claim)
          assert.deepStrictEqual(yield* removed({ scratch: [print("b")] }), [`scratch/${print("b")}`])
        })
      )
    )
  }

  it.effect("removes everything but what others use, what can be resumed, and what is not its own", () =>
    within(
      [
        ..."abcef9".split("").map((letter) => `artifacts/collect/${print(letter)}/manifest.json`),
        "artifacts/collect/by-hand/file",
        `scratch/${print("d")}/checkpoint`,
        `tmp/${dead}.a/file`,
        "downloads/npm/x/package.tgz"
      ],
      (root) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          // One artifact is claimed; others are named by a run that goes on here and by one that may go on elsewhere.
          yield* fs.makeDirectory(`${root}/locks`)
          yield* fs.writeFileString(`${root}/locks/${print("a")}@${living}.0`, "")
          const parent = { ...here, pid: process.ppid, started: "0" }
          const runs = [
            ["20260104-120000-000-abcdef", started("mine", here, print("c"))],
            ["20260103-120000-000-abcdef", started("other", parent, print("b"))],
            ["20260102-120000-000-abcdef", started("other", far, print("e"))],
            ["20260101-120000-000-abcdef", started("mine", gone, print("d"))],
            ["20250101-120000-000-abcdef", started("mine", gone, print("c"))]
          ] as const
          for (const [run, log] of runs) {
            yield* fs.makeDirectory(`${root}/runs/${run}`, { recursive: true })
            yield* fs.writeFileString(`${root}/runs/${run}/events.jsonl`, log)
          }
          // What another pipeline's latest run made, though its log is gone, and what this one's did.
          for (const [pipeline, letter] of [
            ["second", "f"],
            ["mine", "9"]
          ] as const) {
            yield* fs.makeDirectory(`${root}/latest/${pipeline}`, { recursive: true })
            yield* fs.writeFileString(`${root}/latest/${pipeline}/collect`, `collect/${print(letter)}\n`)
          }
          yield* fs.makeDirectory(`${root}/tmp/${living}.1`, { recursive: true })
          const { artifact } = yield* Running.runStage(clean({ extent: "everything" }))
          assert.deepStrictEqual(artifact.value.removed.map((item) => item.path).sort(), [
            `artifacts/collect/${print("9")}`,
            `artifacts/collect/${print("c")}`,
            "runs/20250101-120000-000-abcdef",
            `tmp/${dead}.a`
          ])
          for (const path of [
            ..."abef".split("").map((letter) => `artifacts/collect/${print(letter)}`),
            "artifacts/collect/by-hand/file",
            `scratch/${print("d")}/checkpoint`,
            "downloads/npm/x/package.tgz",
            ...runs.slice(0, 4).map(([run]) => `runs/${run}`),
            `tmp/${living}.1`
          ]) {
            assert.isTrue(yield* exists(`${root}/${path}`), path)
          }
        })
    )
  )

  it.effect("refuses links that lead out, before it removes anything", () =>
    within([`tmp/${dead}.a/file`], (root, above) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* fs.makeDirectory(`${above}/precious/${print("a")}`, { recursive: true })
        yield* fs.writeFileString(`${above}/precious/${print("a")}/file`, "x")
        const refused = Effect.gen(function* () {
          const error = yield* Effect.flip(
            Running.runStage(clean({ extent: "everything", scratch: [print("a")] }))
          )
          assert.strictEqual(error._tag, "UnsafeRemoval")
          assert.include(error.message, `leads to ${above}/precious`)
          assert.isTrue(yield* exists(`${above}/precious/${print("a")}/file`))
          assert.isTrue(yield* exists(`${root}/tmp/${dead}.a/file`))
        })
        // A folder of the workspace that is a link, and a single artifact that is one.
        yield* fs.symlink(`${above}/precious`, `${root}/scratch`)
        yield* refused
        yield* fs.remove(`${root}/scratch`)
        yield* fs.makeDirectory(`${root}/artifacts/collect`, { recursive: true })
        yield* fs.symlink(`${above}/precious/${print("a")}`, `${root}/artifacts/collect/${print("a")}`)
        yield* refused
      })
    )
  )

  it.effect("refuses the root of a disk, a home folder and a repository", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const repository = yield* fs.makeTempDirectoryScoped()
      yield* fs.makeDirectory(`${repository}/.git`)
      for (const [directory, says] of [
        ["/", "it is the root of a disk"],
        [homedir(), "it is a home folder"],
        [repository, "a git repository lies in it"]
      ] as const) {
        const context = {
          name: "clean",
          inputs: {},
          config: { extent: "leftovers" as const, keepRuns: 10, scratch: [] },
          output: "",
          scratch: ""
        }
        const error = yield* Effect.flip(Effect.scoped(clean().run(context))).pipe(
          Effect.provide(Layer.merge(Workspace.layer(directory), Running.silence))
        )
        assert.strictEqual(error._tag, "UnsafeRemoval")
        assert.include(error.message, says)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("refuses a workspace that holds a home folder", () =>
    within(["artifacts/x"], (root) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Running.runStage(clean())).pipe(
          Effect.provideService(HomeFolder, `${root}/artifacts`)
        )
        assert.include(error.message, "a home folder lies in it")
      })
    )
  )
})
