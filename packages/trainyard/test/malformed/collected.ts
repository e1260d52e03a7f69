/** Runs the collect stage on a source in a workspace of its own, and tells what was left out. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { EventStream } from "@trainyard/core/EventStream"
import * as Runner from "@trainyard/core/Runner"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, Layer } from "effect"
import { collect, Pipeline } from "../../src/index.ts"
import { passedOver, taken, type Verdict } from "./cases.ts"

type Sources = Parameters<typeof collect>[0]["sources"]

/** How a stage of a run failed. */
export class StageFailed extends Error {
  readonly _tag: string
  constructor(tag: string, message: string) {
    super(message)
    this._tag = tag
  }
}

export const collected = (sources: Sources, workspace: string) =>
  Effect.gen(function* () {
    const result = yield* Runner.run(Pipeline.make("malformed", () => collect({ sources })))
    const failure = result.stages[0]?.failure
    if (failure) {
      return yield* failure.error === "Defect"
        ? Effect.die(new Error(failure.message))
        : Effect.fail(new StageFailed(failure.error, failure.message))
    }
    const lines = readFileSync(join(result.artifacts.collect ?? "", "skipped.jsonl"), "utf8").split("\n")
    const reasons = lines
      .filter((line) => line !== "")
      .map((line) => `${JSON.parse(line).path}: ${JSON.parse(line).reason}`)
    const verdict: Verdict = reasons.length === 0 ? taken : passedOver(...reasons)
    return verdict
  }).pipe(Effect.provide(Layer.merge(Workspace.layer(workspace), EventStream.layer)))
