import type { Measurement, OperationTime, Planned } from "@trainyard/backends/bench/Bench"
import { describe, expect, test } from "vitest"
import { page, unmeasured } from "../../src/show/BenchPage.ts"
import { width } from "../../src/show/Screen.ts"

const step = (engine: Planned["engine"], precision: "f32" | "bf16", threads: number): Measurement => ({
  engine,
  precision,
  threads,
  what: "train-step",
  stepMilliseconds: 1000,
  minimumMilliseconds: 990,
  lowMilliseconds: 995,
  highMilliseconds: 1005,
  runs: 20,
  othersProcessors: 0,
  tokensPerSecond: 1024,
  gflops: 36,
  shareOfPeak: 0.36,
  peakGflops: 100,
  peakOf: "native"
})

const operations = [
  "linear",
  "linearBackwardInput",
  "attention",
  "gelu",
  "adamW",
  "layerNorm",
  "add",
  "embedding"
]
const shares = [0.4, 0.3, 0.1, 0.07, 0.06, 0.04, 0.02, 0.01]

const spent = (of: Measurement, from = operations): ReadonlyArray<OperationTime> =>
  from.map((operation, index) => ({
    engine: of.engine,
    precision: of.precision,
    threads: of.threads,
    what: "operation",
    operation,
    milliseconds: shares[index]! * of.stepMilliseconds,
    share: shares[index]!
  }))

const native = [step("native", "f32", 1), step("native", "f32", 2), step("native", "bf16", 2)]
const short = { all: false, size: "reference" } as const
const whole = { ...short, all: true }
const lines = native.flatMap((each) => [each, ...spent(each)])

describe("the page of a benchmark", () => {
  test("says where a step's time goes at most threads, the largest first and the rest summed", () => {
    const text = page(lines, short)
    const start = text.findIndex((line) => line.startsWith("Where"))
    expect(text.slice(start)).toEqual([
      "Where a training step's time goes: native, 2 threads",
      "operation            f32 ms  share  bf16 ms  share",
      "linear                  400   40 %      400   40 %",
      "linearBackwardInput     300   30 %      300   30 %",
      "attention               100   10 %      100   10 %",
      "gelu                   70.0  7.0 %     70.0  7.0 %",
      "adamW                  60.0  6.0 %     60.0  6.0 %",
      "layerNorm              40.0  4.0 %     40.0  4.0 %",
      "2 others               30.0  3.0 %     30.0  3.0 %",
      "the step              1,000           1,000"
    ])
  })

  test("has every operation and number of threads when asked", () => {
    const text = page(lines, whole).join("\n")
    expect(text.match(/^Where .*$/gm)).toEqual([
      "Where a training step's time goes: native, 1 thread",
      "Where a training step's time goes: native, 2 threads"
    ])
    expect(text.match(/^embedding /gm)).toHaveLength(2)
    expect(text).not.toContain("others")
  })

  test("leaves a gap where one precision has an operation that the other lacks", () => {
    const text = page(
      [native[1]!, ...spent(native[1]!, ["linear"]), native[2]!, ...spent(native[2]!, ["fused"])],
      short
    )
    expect(text.slice(-3, -1)).toEqual([
      "linear        400   40 %",
      "fused                         400   40 %"
    ])
  })

  test("fits 80 columns, and begins with the figures", () => {
    const text = page(lines, whole)
    for (const line of text) expect(width(line)).toBeLessThanOrEqual(80)
    expect(text[1]).toMatch(/^engine +precision/)
  })

  test("says which model was measured", () => {
    const text = page(lines, { all: false, size: "110m" })
    for (const line of text) expect(width(line)).toBeLessThanOrEqual(80)
    expect(text).toContain("model: 768 wide, 12 layers, 12 heads, vocabulary 32,000, batch 1 of 1024")
  })

  test("says how sure the figures are, this machine's peaks, and when others were at work", () => {
    const quiet = page(native, short).join("\n")
    expect(quiet).toMatch(/native +f32 +2 +train-step +1,000 +0\.5 % +990 +1,024 +36 %/)
    expect(quiet).toContain("  f32, 2 threads: 100")
    expect(quiet).not.toContain("Other programs")
    const disturbed = page([native[0]!, { ...native[1]!, othersProcessors: 1.2 }], short)
    expect(disturbed.join(" ")).toContain(
      "Other programs took up to 1.20 processors during 1 of 2 measurements"
    )
    for (const line of disturbed) expect(width(line)).toBeLessThanOrEqual(80)
  })

  test("is what is unavailable alone, when nothing was measured", () => {
    expect(page([{ engine: "native", unavailable: "No compiler." }], short)).toEqual([
      "",
      "native: No compiler."
    ])
    expect(page([], short)).toEqual([])
  })
})

test("what was not measured is named by engine, by setting, or one by one", () => {
  const plan: ReadonlyArray<Planned> = (["native", "cpu"] as const).flatMap((engine) =>
    [1, 2].flatMap((threads) =>
      (["train-step", "generate"] as const).map(
        (what): Planned => ({ engine, precision: "f32", threads, what })
      )
    )
  )
  expect(unmeasured(plan, 0)).toBe("native; cpu")
  expect(unmeasured(plan, 1)).toBe(
    "native, f32, 1 thread (generate); native, f32, 2 threads (train-step, generate); cpu"
  )
  expect(unmeasured(plan, 7, ["PyTorch"])).toBe("cpu, f32, 2 threads (generate); PyTorch")
})
