/** Real Python: the standard library of this machine parses, and so does what is left of it wherever it is cut off. */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { parse } from "../../../src/languages/Language.ts"
import { python } from "../../../src/languages/python/python.ts"

const library = spawnSync("python3", ["-c", "import os; print(os.path.dirname(os.__file__))"], {
  encoding: "utf8"
}).stdout?.trim()

it.layer(NodeServices.layer)("Python's standard library", (it) => {
  it.effect(
    "parses, whole and cut off",
    ({ skip }) =>
      Effect.gen(function* () {
        if (!library) return skip("python3 is not on the PATH")
        const tools = yield* python.open
        const modules = readdirSync(library).filter((name) => name.endsWith(".py"))
        const wrong: Array<string> = []
        let finished = 0
        for (const name of modules.slice(0, 60)) {
          const text = readFileSync(join(library, name), "utf8")
          const whole = parse(tools, { prompt: "", completion: text, ended: true })
          if (whole.status !== "parses") wrong.push(`${name}: ${whole.error}`)
          for (const share of [0.3, 0.5, 0.8]) {
            const completion = text.slice(0, Math.floor(text.length * share))
            const { error, status } = parse(tools, { prompt: "", completion, ended: false })
            if (status !== "unfinished") finished++
            // A module may begin with a long comment.
            if (error !== null && !error.endsWith("nothing but comments"))
              wrong.push(`${name} to ${share}: ${error}`)
          }
        }
        expect(wrong).toEqual([])
        expect(finished).toBeGreaterThan(modules.length === 0 ? 0 : 60)
      }),
    60_000
  )
})
