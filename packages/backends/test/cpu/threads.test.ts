/** A worker that cannot start: a sentence with the number, and none of those before it is left. */
import { spawn } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { make } from "../../src/cpu/engine.ts"

/** What workers are given; to give it to the third fails, as starting its thread may. */
const third = () => {
  let given = 0
  return {
    get workerData() {
      if (++given === 3) throw new Error("resource temporarily unavailable")
      return 0
    }
  }
}
const engineFile = new URL("../../src/cpu/engine.ts", import.meta.url).href

describe("workers that cannot start", () => {
  it.live("are told with how many were asked for, and what to do", () =>
    Effect.gen(function* () {
      const engine = make({ workerData: third() })
      const failure = yield* Effect.flip(Effect.scoped(engine.open([], { threads: 5, precision: "f32" })))
      assert.strictEqual(failure._tag, "EngineUnavailable")
      assert.match(
        failure.message,
        /5 threads were asked for, and the system started 2 \(resource temporarily unavailable\)\. Lower --threads/
      )
      // With all of them given, the same engine opens.
      yield* Effect.scoped(engine.open([], { threads: 2, precision: "f32" }))
    })
  )

  it.live("leave none behind that keeps the process alive", () =>
    Effect.promise(async () => {
      const script = `
        import { Effect } from "effect"
        import { make } from ${JSON.stringify(engineFile)}
        const third = ${third.toString()}
        await Effect.runPromise(
          Effect.exit(Effect.scoped(make({ workerData: third() }).open([], { threads: 5, precision: "f32" })))
        )
        console.log("told")`
      const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 60_000,
        killSignal: "SIGKILL"
      })
      let output = ""
      child.stdout.on("data", (text) => (output += text))
      const ended = await new Promise((resolve) =>
        child.on("close", (code, signal) => resolve({ code, signal }))
      )
      assert.deepStrictEqual([ended, output], [{ code: 0, signal: null }, "told\n"])
    })
  )
})
