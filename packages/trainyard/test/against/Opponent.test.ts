import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Opponent from "../../src/against/Opponent.ts"

/** A framework that answers each number of seconds with itself, and gives up at the third. */
const framework = `
  console.log(JSON.stringify({ version: "7" }))
  let asked = 0
  require("readline").createInterface({ input: process.stdin }).on("line", (line) =>
    console.log(JSON.stringify(++asked < 3 ? { times: [Number(line)] } : { error: "no more memory" }))
  )`

describe("a framework in a process of its own", () => {
  it.live("is asked turn by turn, and what goes wrong is a sentence that names it", () =>
    Effect.gen(function* () {
      const other = yield* Opponent.open("other", process.execPath, ["--eval", framework])
      assert.strictEqual(other.version, "7")
      assert.deepStrictEqual(yield* other.turn(0.5), [0.5])
      assert.deepStrictEqual(yield* other.turn(2), [2])
      const spent = yield* Effect.flip(other.turn(1))
      assert.strictEqual(spent.message, "The other engine failed: no more memory")

      const silent = yield* Effect.flip(Opponent.open("silent", process.execPath, ["--eval", ""]))
      assert.match(silent.message, /^The silent engine failed: .* ended early$/)
      const absent = yield* Effect.flip(Opponent.open("absent", "/no/such/program", []))
      assert.match(absent.message, /^The absent engine failed: /)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
