/**
 * The clean stage: removes what earlier runs left in the workspace. Place it first: `const cleaned = clean()`, then
 * `collect({ after: [cleaned], … })`.
 */
import { Journal } from "@trainyard/core/Journal"
import * as Lock from "@trainyard/core/Lock"
import * as Stage from "@trainyard/core/Stage"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Schema } from "effect"
import { CleanReport } from "./CleanReport.ts"
import { everything, lastPart, leftovers } from "./leftovers.ts"
import { realRoot, removeAll } from "./removal.ts"

const config = {
  /**
   * `leftovers` removes what killed and older runs left behind and nothing needs. `everything` also removes logs and artifacts, so that
   * every stage runs again. Both keep what a running process uses, the latest artifacts of other pipelines, unfinished work and downloads.
   */
  extent: Schema.Literals(["leftovers", "everything"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("leftovers" as const))
  ),
  /**
   * Logs of the newest runs that are kept with `leftovers`.
   * @unit runs
   */
  keepRuns: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(10))
  ),
  /**
   * Also removes unfinished work that has not changed for this long.
   * @defaultValue unfinished work is kept
   * @unit days
   */
  scratchOlderThanDays: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  /** Also removes unfinished work with these cache keys. */
  scratch: Schema.Array(Schema.String.check(Schema.isPattern(/^[0-9a-f]{16,128}$/))).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed([]))
  )
}

/**
 * Removes what earlier runs left in the workspace, and reports what. It runs every time. Fails with `UnsafeRemoval` when the workspace is
 * not a folder of its own or has links that lead out of it, or `WorkspaceError` when the disk refuses.
 */
export const clean = Stage.make({
  name: "clean",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config,
  output: CleanReport,
  reusable: false,
  run: Effect.fn("clean")(function* ({ config }) {
    const journal = yield* Journal
    const { root } = yield* Workspace
    yield* realRoot(root)
    const options = {
      scratch: config.scratch,
      scratchOlderThan:
        config.scratchOlderThanDays === undefined ? undefined : config.scratchOlderThanDays * 86_400_000
    }
    const found = yield* config.extent === "everything"
      ? everything(options)
      : leftovers(config.keepRuns, options)
    // Locked until the stage ends, so that no run starts to use what is being removed.
    const removed = yield* Effect.filter(found, ({ path, what }) =>
      what === "scratch" || what === "artifact" ? Lock.tryAcquire(lastPart(path)) : Effect.succeed(true)
    )
    yield* removeAll(removed.map((item) => item.path))
    const bytes = removed.reduce((sum, item) => sum + item.bytes, 0)
    for (const item of removed.slice(0, 20)) {
      yield* journal.publish({ type: "Note", level: "info", message: `Removed ${item.path}` })
    }
    if (removed.length > 20) {
      yield* journal.publish({
        type: "Note",
        level: "info",
        message: `Removed ${removed.length - 20} more; the stage's artifact lists them all.`
      })
    }
    return { bytes, removed }
  })
})
