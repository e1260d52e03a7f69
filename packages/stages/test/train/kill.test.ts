import { spawn } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Place, place, resultOf, runTraining, services, sibling, trainee } from "./laboratory.ts"

const script = join(import.meta.dirname, "trainee.ts")

/** Runs the trainee, killing it as soon as it has said `lines` lines (and a little later each time). Gives what it said. */
const launch = (at: Place, killAfter: number, delay: number): Promise<ReadonlyArray<string>> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, at.scratch, at.output, at.root], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let said = ""
    let killing = false
    child.stdout.on("data", (bytes) => {
      said += String(bytes)
      if (killing || said.split("\n").length - 1 < killAfter) return
      killing = true
      setTimeout(() => child.kill("SIGKILL"), delay)
    })
    child.on("error", reject)
    child.on("close", () => resolve(said.trim().split("\n")))
  })

describe("kill -9", () => {
  it.live("at any moment: the run goes on by itself and ends bit-identical", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* runTraining(plain, trainee).pipe(Effect.provide(services({ events: [] })))
      const killed = sibling(plain, "killed")
      for (const [lines, delay] of [
        [1, 0],
        [3, 5]
      ] as const)
        yield* Effect.promise(() => launch(killed, lines, delay))
      const said = yield* Effect.promise(() => launch(killed, 1e9, 0))
      assert.match(said[0] ?? "", /^resumed \d+$/)
      assert.strictEqual(said.at(-1), "done")
      assert.deepStrictEqual(resultOf(killed), resultOf(plain))
    }).pipe(Effect.scoped)
  )
})
