import { homedir } from "node:os"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Processes from "@trainyard/core/Processes"
import { encodeLine } from "@trainyard/core/RunEvent"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Layer, Path } from "effect"
import { clean } from "../../src/clean/clean.ts"
import * as Running from "../runStage.ts"

/** Names of processes that have ended and that run, as files of theirs carry them. */
const { dead, living } = await Effect.runPromise(
  Processes.self.pipe(
    Effect.map((self) => ({
      living: Processes.toText(self),
      dead: Processes.toText({ ...self, pid: 4_194_304, started: "1" })
    })),
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

const started = (pipeline: string, process: number, fingerprint: string) =>
  `${encodeLine({
    run: "r",
    at: new Date().toISOString(),
    event: {
      type: "RunStarted",
      pipeline,
      workspace: "/w",
      process,
      backend: "",
      stages: [{ name: "collect", runs: true, why: "", after: [], fingerprint, config: {} }]
    }
  })}\n`

describe("clean", () => {
  it.effect("removes what killed and older runs left, and nothing else", () =>
    within(
      [
        `tmp/${dead}.a/file`,
        `scratch/${print("a")}/checkpoint`,
        `artifacts/collect/${print("b")}/manifest.json`,
        "downloads/npm/x/package.tgz",
        "tmp/mine.txt",
        "notes.txt"
      ],
      (root) =>
        Effect.gen(function* () {
          const { artifact, events } = yield* Running.runStage(clean())
          assert.deepStrictEqual(artifact.value.removed.map((item) => item.path).sort(), [
            `scratch/${print("a")}`,
            `tmp/${dead}.a`
          ])
          assert.strictEqual(artifact.value.bytes, 2)
          for (const path of [`tmp/${dead}.a`, `scratch/${print("a")}`]) {
            assert.isFalse(yield* exists(`${root}/${path}`))
          }
          for (const path of [
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

  it.effect("keeps the newest logs, and what an interrupted run would go on with", () =>
    within(["artifacts/x"], (root) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const runs = [1, 2, 3, 4].map((n) => `2026010${n}-120000-000-abcdef`)
        for (const [index, run] of runs.entries()) {
          yield* fs.makeDirectory(`${root}/runs/${run}`, { recursive: true })
          const log = started("p", 999_999, print(String(index)))
          yield* fs.writeFileString(`${root}/runs/${run}/events.jsonl`, log)
        }
        for (const letter of ["3", "2"]) {
          yield* fs.makeDirectory(`${root}/scratch/${print(letter)}`, { recursive: true })
        }
        const { artifact } = yield* Running.runStage(clean({ keepRuns: 2 }))
        assert.deepStrictEqual(artifact.value.removed.map((item) => item.path).sort(), [
          `runs/${runs[0]}`,
          `runs/${runs[1]}`,
          `scratch/${print("2")}`
        ])
        assert.isTrue(yield* exists(`${root}/scratch/${print("3")}`))
      })
    )
  )

  it.effect("removes everything but what living processes use and what is not its own", () =>
    within(
      [
        `artifacts/collect/${print("a")}/manifest.json`,
        `artifacts/collect/${print("b")}/manifest.json`,
        `artifacts/collect/${print("c")}/manifest.json`,
        "artifacts/collect/by-hand/file",
        `scratch/${print("d")}/checkpoint`,
        "downloads/npm/x/package.tgz"
      ],
      (root) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          // One artifact is claimed, another is named by a run that goes on in a living process.
          yield* fs.makeDirectory(`${root}/locks`)
          yield* fs.writeFileString(`${root}/locks/${print("a")}@${living}.0`, "")
          const run = "20260101-120000-000-abcdef"
          yield* fs.makeDirectory(`${root}/runs/${run}`, { recursive: true })
          yield* fs.writeFileString(
            `${root}/runs/${run}/events.jsonl`,
            started("other", process.ppid, print("b"))
          )
          yield* fs.makeDirectory(`${root}/tmp/${living}.1`, { recursive: true })
          const { artifact } = yield* Running.runStage(clean({ extent: "everything" }))
          assert.deepStrictEqual(artifact.value.removed.map((item) => item.path).sort(), [
            `artifacts/collect/${print("c")}`,
            `scratch/${print("d")}`
          ])
          for (const path of [
            `artifacts/collect/${print("a")}`,
            `artifacts/collect/${print("b")}`,
            "artifacts/collect/by-hand/file",
            "downloads/npm/x/package.tgz",
            `runs/${run}`,
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
          const error = yield* Effect.flip(Running.runStage(clean({ extent: "everything" })))
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
          config: { extent: "leftovers", keepRuns: 10 },
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
        const before = process.env.HOME
        process.env.HOME = `${root}/artifacts`
        const error = yield* Effect.flip(Running.runStage(clean())).pipe(
          Effect.ensuring(
            Effect.sync(() => {
              if (before === undefined) delete process.env.HOME
              else process.env.HOME = before
            })
          )
        )
        assert.include(error.message, "a home folder lies in it")
      })
    )
  )
})
