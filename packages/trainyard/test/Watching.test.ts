import * as NodeServices from "@effect/platform-node/NodeServices"
import { expect, it } from "@effect/vitest"
import { encodeLine } from "@trainyard/core/RunEvent"
import { Effect, FileSystem, PlatformError } from "effect"
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
