import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import { pages, placesIn, replaced } from "../bench/blocks.ts"
import * as tables from "../bench/tables.ts"

const step = (engine: string, milliseconds: number, more = {}) =>
  JSON.stringify({
    engine,
    precision: "f32",
    threads: 2,
    what: "train-step",
    stepMilliseconds: milliseconds,
    minimumMilliseconds: milliseconds - 10,
    lowMilliseconds: milliseconds - 5,
    highMilliseconds: milliseconds + 5,
    runs: 20,
    othersProcessors: 0,
    tokensPerSecond: 102_400 / milliseconds,
    gflops: 36,
    shareOfPeak: 0.75,
    peakGflops: 250,
    peakOf: "native",
    ...more
  })

const lines = [
  step("native", 200),
  JSON.stringify({ engine: "native", what: "operation", operation: "linear", milliseconds: 80, share: 0.4 }),
  step("pytorch", 300, { version: "2.15.0", shareOfPeak: null }),
  JSON.stringify({ engine: "webgpu", unavailable: "no GPU" })
]

describe("the tables of bench:page", () => {
  test("have a row a measurement, with its ratio to native and the range that both intervals allow", () => {
    const { absent, measured } = tables.read(lines)
    expect(absent).toEqual([{ engine: "webgpu", unavailable: "no GPU" }])
    expect(tables.measurements(measured, "train-step").split("\n").slice(2)).toEqual([
      "| `native` | f32 | 200 | 2.5 % | 190 | 512 | 75 % |  |",
      "| pytorch 2.15.0 | f32 | 300 | 1.7 % | 290 | 341 |  | 1.50 (1.44 to 1.56) |"
    ])
  })

  test("say the machine's peak, and when other programs were at work", () => {
    expect(tables.circumstances(tables.read(lines).measured)).toBe("Measured peak in GFLOP/s: 250 (f32).")
    const disturbed = tables.read([step("native", 200, { othersProcessors: 1.5 })])
    expect(tables.circumstances(disturbed.measured)).toContain("Other programs took up to 1.50 processors")
  })

  test("take their places, and each has one in docs", () => {
    const text = "before\n<!-- measured: serve -->\nold\n<!-- measured: end -->\nafter\n"
    expect(replaced(text, "serve", "new\n")).toBe(
      "before\n<!-- measured: serve -->\n\nnew\n\n<!-- measured: end -->\nafter\n"
    )
    expect(replaced("no place", "serve", "new")).toBeUndefined()
    const found = [...new Set(Object.values(pages))].flatMap((page) =>
      placesIn(readFileSync(fileURLToPath(new URL(`../../docs/${page}.md`, import.meta.url)), "utf8"))
    )
    expect(found.toSorted()).toEqual(Object.keys(pages).toSorted())
  })
})
