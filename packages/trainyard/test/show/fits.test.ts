/** What is drawn again and again fits the terminal that it is drawn on. */
import * as RunStatus from "@trainyard/core/RunStatus"
import { Effect } from "effect"
import { describe, expect, test } from "vitest"
import { compose } from "../../src/show/MonitorScreen.ts"
import * as Renderer from "../../src/show/Renderer.ts"
import { make, width } from "../../src/show/Screen.ts"
import { sampleLines } from "../../src/show/sections.ts"
import { events } from "./job.ts"
import { terminal } from "./terminal.ts"

const status = RunStatus.of(events)
const environments = [
  { TERM: "xterm", LANG: "C.UTF-8" },
  { TERM: "xterm", LANG: "C", NO_COLOR: "1" }
]
const sizes = [
  [79, 22],
  [59, 13],
  [38, 8],
  [200, 60]
] as const

describe("monitor", () => {
  test.each(sizes)("fits %i columns and %i rows, with and without colour", (columns, rows) => {
    for (const environment of environments)
      for (let seen = 1; seen <= events.length; seen += 6) {
        const shown = RunStatus.of(events.slice(0, seen))
        const lines = compose(make(terminal(), environment), shown, columns, rows, "q leaves")
        expect(lines.length).toBeLessThanOrEqual(rows)
        for (const line of lines) expect(width(line)).toBeLessThanOrEqual(columns)
      }
  })
})

test("monitor at 80 by 24 has the stages, the metrics, the faults, the health and what is next", () => {
  const text = compose(make(terminal(), { LANG: "C", NO_COLOR: "1" }), status, 79, 22, "").join("\n")
  expect(text).toMatch(/^quickstart running {2}1 min 43 s, about 1 min 30 s left/)
  expect(text).toMatch(/train [#.]+ {2}1 min 30 s left {2}960 of 1,600 steps \(60 %\)/)
  for (const found of [
    "validate",
    "loss 3.",
    "3,772 tokens/s",
    "gradient norm 0.9000",
    "validation loss 4.996 (best 4.996 at step 800)",
    "process 28672  CPU 194%  421 MB",
    "Step 801: the loss jumped",
    "Next: train goes on, then checkpoint, validate."
  ])
    expect(text).toContain(found)
})

describe("the live lines of a run", () => {
  /** What stands on the terminal while the run goes on, and all that is left of it afterwards. */
  const shown = async (columns: number) => {
    const screen = terminal(columns, 24)
    const during = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const renderer = yield* Renderer.make(make(screen, { TERM: "xterm", LANG: "C", NO_COLOR: "1" }))
          for (const event of events) yield* renderer.show(event)
          return screen.seen()
        })
      )
    )
    return { during, left: screen.history() }
  }

  test("at 80 columns keep whole figures, and samples keep to their row", async () => {
    const { during, left } = await shown(80)
    expect(during.at(-1)).toBe(
      "train       ####...   60 %  1 min 30 s left  loss 3.033  validation loss 4.996"
    )
    const samples = left.filter((line) => line.includes("sample at step 800"))
    expect(samples).toHaveLength(1)
    expect(samples[0]).toMatch(/\.\.\.$/)
  })

  test("are gone when the run is over, and nothing of them is left among the lines that stay", async () => {
    for (const columns of [80, 50]) {
      const { left } = await shown(columns)
      expect(left.join("\n")).toContain("saved at step 800")
      expect(left.filter((line) => /[#.]{6} +\d+ %/.test(line))).toEqual([])
    }
  })
})

test("what a model writes is folded on a terminal, each row with its bar, and left alone in a pipe", () => {
  const said = { prompt: "int main", completion: `(void)\n{\n\treturn ${"0 + ".repeat(20)}0;\n}` }
  const rows = sampleLines(make(terminal(40, 24), { TERM: "xterm", LANG: "C", NO_COLOR: "1" }), said)
  expect(rows).toHaveLength(6)
  for (const row of rows) {
    expect(row).toMatch(/^ {2}\| /)
    expect(width(row)).toBeLessThan(40)
  }
  const piped = sampleLines(make({ write: () => true }, { LANG: "C" }), said)
  expect(piped).toHaveLength(4)
})
