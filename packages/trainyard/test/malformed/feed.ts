/**
 * Feeds the malformed inputs, one after the other: `node feed.ts FOLDER SEED`. Says "start" before each and what became of it after
 * it, as lines of JSON, so that whoever started this knows which one hangs.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Cause, Effect, Exit, Option, Predicate } from "effect"
import { type Case, kinds } from "./cases.ts"
import { Draw } from "./damage.ts"
import * as Specimens from "./specimens.ts"

const [root = "", seed = "1"] = process.argv.slice(2)

/** What a case left in its workspace that should not be there: half-made artifacts, claims, temporary files. */
const leftovers = (workspace: string, refused: boolean): ReadonlyArray<string> =>
  [...(refused ? ["artifacts"] : []), "tmp", "locks"].flatMap((name) => {
    const folder = join(workspace, name)
    return existsSync(folder)
      ? readdirSync(folder, { recursive: true, withFileTypes: true })
          .filter((entry) => !entry.isDirectory())
          .map((entry) => join(entry.parentPath, entry.name))
      : []
  })

const messageOf = (error: unknown): string =>
  Predicate.hasProperty(error, "message") ? String(error.message) : String(error)

const outcomeOf = (exit: Exit.Exit<Option.Option<import("./cases.ts").Verdict>, unknown>) => {
  if (Exit.isSuccess(exit))
    return Option.match(exit.value, {
      onNone: () => ({ ended: "hung" }),
      onSome: (verdict) =>
        "taken" in verdict ? { ended: "taken" } : { ended: "passed over", reasons: verdict.passedOver }
    })
  const error = Cause.squash(exit.cause)
  return Cause.hasFails(exit.cause)
    ? {
        ended: "refused",
        tag: Predicate.hasProperty(error, "_tag") ? error._tag : null,
        message: messageOf(error)
      }
    : { ended: "broke", message: Cause.pretty(exit.cause) }
}

const say = (line: unknown) => Effect.sync(() => void process.stdout.write(`${JSON.stringify(line)}\n`))

const main = Effect.gen(function* () {
  const specimens = yield* Specimens.make(join(root, "specimens"))
  for (const [kind, count, make] of kinds)
    for (let index = 0; index < count; index++) {
      const home = join(root, "case")
      const place = {
        directory: join(home, "files"),
        workspace: join(home, "workspace"),
        draw: new Draw(Number(seed) * 1000 + index),
        specimens
      }
      mkdirSync(place.directory, { recursive: true })
      const started = performance.now()
      const made: Case = make(place, index)
      const about = { kind, index, what: made.what, names: made.names }
      yield* say({ start: true, ...about })
      const exit = yield* made.feed.pipe(Effect.scoped, Effect.timeoutOption("10 seconds"), Effect.exit)
      const outcome = outcomeOf(exit)
      yield* say({
        ...about,
        ...outcome,
        left: leftovers(place.workspace, outcome.ended === "refused"),
        milliseconds: Math.round(performance.now() - started)
      })
      rmSync(home, { recursive: true, force: true })
    }
}).pipe(Effect.provide(NodeServices.layer))

NodeRuntime.runMain(main)
