import * as NodeServices from "@effect/platform-node/NodeServices"
import { expect, it } from "@effect/vitest"
import { encodeLine } from "@trainyard/core/RunEvent"
import type { RunStatus } from "@trainyard/core/RunStatus"
import { Effect, Fiber, FileSystem, PlatformError } from "effect"
import * as StatusPage from "../src/show/StatusPage.ts"
import * as Watching from "../src/Watching.ts"

const started = encodeLine({
  run: "one",
  at: new Date().toISOString(),
  event: {
    type: "RunStarted",
    pipeline: "tiny",
    workspace: "/yard",
    process: process.pid,
    backend: "",
    stages: []
  }
})

it.live("watching a run whose log cannot be read any more ends with a sentence", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-watch-" })
    yield* fs.writeFileString(`${directory}/events.jsonl`, started)
    let shown = 0
    const error = yield* Watching.follow(directory, "20 millis", () => Effect.sync(() => void shown++)).pipe(
      Effect.provideService(FileSystem.FileSystem, {
        ...fs,
        open: (path) =>
          Effect.fail(
            PlatformError.systemError({
              _tag: "Unknown",
              module: "FileSystem",
              method: "open",
              pathOrDescriptor: path,
              cause: { code: "EIO" }
            })
          )
      }),
      Effect.flip
    )
    expect(error.message).toMatch(/^Reading the run's log failed: the disk of .* input\/output error/)
    expect(shown).toBeLessThan(3)
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)

it.live("saved work that is gone is not listed, neither once nor while the run is watched", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-watch-" })
    const saved = (step: number) =>
      encodeLine({
        run: "one",
        at: new Date().toISOString(),
        event: {
          type: "Stage",
          stage: "train",
          event: {
            type: "Saved",
            step,
            directory: `${directory}/step-${step}`,
            best: false,
            bytes: 1,
            seconds: 1
          }
        }
      })
    const log = `${directory}/events.jsonl`
    // The second was saved again, after training had gone back.
    yield* fs.writeFileString(log, [started, ...[100, 200, 300, 200].map(saved)].join(""))
    for (const step of [200, 300]) yield* fs.makeDirectory(`${directory}/step-${step}`)
    const steps = (status: RunStatus) => status.saved.map(({ step }) => step)
    expect(steps(yield* Watching.now(directory))).toEqual([300, 200])
    const seen: Array<ReadonlyArray<number>> = []
    const watching = yield* Watching.follow(directory, "20 millis", (status) =>
      Effect.sync(() => void seen.push(steps(status)))
    ).pipe(Effect.forkChild({ startImmediately: true }))
    while (seen.length === 0) yield* Effect.sleep("10 millis")
    // The stage is done, and its scratch folder is removed.
    for (const step of [200, 300]) yield* fs.remove(`${directory}/step-${step}`, { recursive: true })
    yield* fs.writeFileString(
      log,
      encodeLine({
        run: "one",
        at: new Date().toISOString(),
        event: { type: "RunFinished", status: "succeeded", seconds: 1, stages: [], artifacts: {} }
      }),
      { flag: "a" }
    )
    expect(steps(yield* Fiber.join(watching))).toEqual([])
    expect(seen[0]).toEqual([300, 200])
    expect(StatusPage.page(yield* Watching.now(directory)).join("\n")).not.toContain("## Saved work")
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
)
