/** Event logs, read as `trainyard status` reads them. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as RunLog from "@trainyard/core/RunLog"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect } from "effect"
import * as StatusPage from "../../../src/show/StatusPage.ts"
import * as Watching from "../../../src/Watching.ts"
import { type Kind, passedOver, taken } from "../cases.ts"
import { harmJson, harms } from "../damage.ts"

const harmNames = Object.keys(harms)

export const eventLogs: Kind = ({ directory, draw, specimens }, index) => {
  const run = join(directory, "runs", "20260101-000000-000-aaaaaa")
  const file = join(run, "events.jsonl")
  const bytes = readFileSync(join(specimens.run, "events.jsonl"))
  mkdirSync(run, { recursive: true })
  const harm = harmNames[index]!
  const lines = bytes.toString().trimEnd().split("\n")
  const harmed =
    index % 2 === 0
      ? harms[harm]!(bytes, draw)
      : lines.map((line) => (draw.below(3) === 0 ? harmJson(line, draw).text : line)).join("\n")
  writeFileSync(file, harmed)
  return {
    what: index % 2 === 0 ? harm : "other values in its lines",
    names: [file],
    feed: Effect.gen(function* () {
      const status = yield* Watching.now(yield* RunLog.find())
      const page = StatusPage.page(status).join("\n")
      if (!page.startsWith("# ")) return yield* Effect.die(new Error("there is no page"))
      const told = status.warnings.filter(({ text }) => text.includes("events.jsonl"))
      return told.length === 0 ? taken : passedOver(...told.map(({ text }) => text))
    }).pipe(Effect.provide(Workspace.layer(directory)))
  }
}
