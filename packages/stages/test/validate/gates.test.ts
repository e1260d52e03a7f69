import { describe, expect, it } from "vitest"
import {
  compareAll,
  type Figures,
  sentence,
  type Thresholds,
  withoutYardstick
} from "../../src/validate/gates.ts"

const figures: Figures = {
  bitsPerByte: 2,
  perplexity: 30,
  topOneAccuracy: 0.4,
  baselines: [
    { order: 2, bitsPerByte: 2.5 },
    { order: 5, bitsPerByte: 1.9 }
  ],
  countedDocuments: 4,
  yardsticks: [
    {
      name: "ppmd",
      bitsPerByte: 1.6,
      interval: null,
      ratio: { value: 1.25, interval: null },
      median: 1.5,
      modelBetter: 1
    }
  ],
  notMeasured: [],
  adaptive: {
    bitsPerByte: 1.5,
    interval: null,
    median: 1.4,
    fittedDocuments: 3,
    fittedTokens: 300,
    rate: 0.02,
    against: [{ name: "ppmd", ratio: { value: 0.9375, interval: null }, better: 3 }]
  },
  parseShare: 0.5,
  compileShare: null,
  language: "c",
  compiler: "no working gcc is on the PATH",
  longestOverlap: 12
}
const nothing: Thresholds = {
  baselinesToBeat: [],
  bitsPerByteAtMost: null,
  perplexityAtMost: null,
  topOneAccuracyAtLeast: null,
  ratioToPpmdAtMost: null,
  betterThanPpmdShareAtLeast: null,
  adaptiveRatioToPpmdAtMost: null,
  parseShareAtLeast: null,
  compileShareAtLeast: null,
  longestOverlapAtMost: null
}
const gate = (asked: Partial<Thresholds>, over: Partial<Figures> = {}) => {
  const gates = compareAll({ ...figures, ...over }, { ...nothing, ...asked })
  expect(gates).toHaveLength(1)
  return gates[0]!
}

describe("gates", () => {
  it("ask for nothing when no threshold is given", () => {
    expect(compareAll(figures, nothing)).toEqual([])
  })

  for (const [asked, passes] of [
    [{ bitsPerByteAtMost: 2 }, true],
    [{ bitsPerByteAtMost: 1.99 }, false],
    [{ perplexityAtMost: 30 }, true],
    [{ perplexityAtMost: 29 }, false],
    [{ topOneAccuracyAtLeast: 0.4 }, true],
    [{ topOneAccuracyAtLeast: 0.41 }, false],
    [{ parseShareAtLeast: 0.5 }, true],
    [{ parseShareAtLeast: 1.1 }, false],
    [{ longestOverlapAtMost: 12 }, true],
    [{ longestOverlapAtMost: 11 }, false],
    [{ ratioToPpmdAtMost: 1.25 }, true],
    [{ ratioToPpmdAtMost: 1.2 }, false],
    [{ betterThanPpmdShareAtLeast: 0.25 }, true],
    [{ betterThanPpmdShareAtLeast: 0.5 }, false],
    [{ adaptiveRatioToPpmdAtMost: 0.95 }, true],
    [{ adaptiveRatioToPpmdAtMost: 0.9 }, false],
    [{ baselinesToBeat: [2] }, true],
    [{ baselinesToBeat: [5] }, false]
  ] as const) {
    it(`${passes ? "pass" : "fail"} at ${JSON.stringify(asked)}`, () => {
      expect(gate(asked).passed).toBe(passes)
    })
  }

  it("are refused where the config does not measure what they need", () => {
    const asked = { ...nothing, yardsticks: ["ppmd"], adaptive: false } as const
    expect(withoutYardstick({ ...asked, ratioToPpmdAtMost: 1 })).toBeUndefined()
    expect(withoutYardstick({ ...asked, yardsticks: [], ratioToPpmdAtMost: 1 })).toContain('no "ppmd"')
    expect(withoutYardstick({ ...asked, adaptiveRatioToPpmdAtMost: 1 })).toContain("adaptive is false")
  })

  it("fail, with the reason, when they cannot be measured here", () => {
    const why = "the training text has more than 64 MiB"
    const over = { yardsticks: [], adaptive: null, notMeasured: [{ name: "ppmd", why }] }
    for (const key of ["ratioToPpmdAtMost", "betterThanPpmdShareAtLeast"] as const)
      expect(gate({ [key]: 1 }, over)).toMatchObject({ passed: false, why: expect.stringContaining(why) })
    const compiled = gate({ compileShareAtLeast: 0 })
    expect(compiled).toMatchObject({ passed: false, value: null })
    expect(compiled.why).toContain("no working gcc is on the PATH")
    const parse = gate({ parseShareAtLeast: 0 }, { parseShare: null })
    expect(parse).toMatchObject({ passed: false, value: null })
    expect(parse.why).toContain("no completions")
    const noLanguage = { parseShare: null, language: null }
    expect(gate({ parseShareAtLeast: 0 }, noLanguage).why).toContain("no language is chosen")
    expect(gate({ compileShareAtLeast: 0 }, noLanguage).why).toContain("no language is chosen")
    expect(gate({ perplexityAtMost: 1e9 }, { perplexity: Number.POSITIVE_INFINITY }).passed).toBe(false)
    expect(gate({ baselinesToBeat: [3] }).why).toContain("trigram baseline was not measured")
  })

  it("do not take a tie with a baseline for beating it", () => {
    expect(gate({ baselinesToBeat: [2] }, { bitsPerByte: 2.5 }).passed).toBe(false)
  })

  it("speak in one sentence that names each failure, its value and its threshold", () => {
    expect(sentence(compareAll(figures, { ...nothing, bitsPerByteAtMost: 3 }))).toBeUndefined()
    const failed = compareAll(figures, {
      ...nothing,
      bitsPerByteAtMost: 1.5,
      parseShareAtLeast: 0.75,
      baselinesToBeat: [2]
    })
    expect(sentence(failed)).toBe(
      "2 of 3 validation gates failed: bits-per-byte (2, at most 1.5 asked for); parse-share (0.5, at least 0.75 asked for)."
    )
  })
})
