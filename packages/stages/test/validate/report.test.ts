import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { c } from "../../src/languages/c/c.ts"
import { annotations } from "../../src/validate/annotations.ts"
import { escapeXml, junit } from "../../src/validate/junit.ts"
import { codeBlock, page } from "../../src/validate/page.ts"
import type { Completion, ReportValue } from "../../src/validate/Report.ts"
import { stepSummary } from "../../src/validate/stepSummary.ts"
import { wellFormed } from "../wellFormed.ts"

const report: ReportValue = {
  passed: false,
  gates: [
    {
      gate: "bits-per-byte",
      value: 2.1,
      relation: "at-most",
      threshold: 3,
      passed: true,
      why: "2.1, at most 3 asked for"
    },
    {
      gate: "compile-share",
      value: null,
      relation: "at-least",
      threshold: 0.5,
      passed: false,
      why: 'not measured (no "gcc" <here> & now), 100%\nasked for'
    }
  ],
  loss: 3.5,
  perplexity: 33.115,
  bitsPerByte: 2.1,
  topOneAccuracy: 0.35,
  split: "test",
  documents: 4,
  ofDocuments: 4,
  tokens: 1000,
  bytes: 3456,
  context: { longest: 128, least: 65 },
  interval: { low: 1.9, high: 2.35 },
  baselines: [
    {
      order: 2,
      loss: 4,
      perplexity: 54.6,
      bitsPerByte: 2.6,
      topOneAccuracy: 0.2,
      interval: { low: 2.5, high: 2.75 },
      ratio: { value: 0.8077, interval: { low: 0.75, high: 0.875 } }
    }
  ],
  median: 2.05,
  countedDocuments: 4,
  yardsticks: [
    {
      name: "ppmd",
      bitsPerByte: 1.5,
      interval: { low: 1.25, high: 1.75 },
      ratio: { value: 1.4, interval: { low: 1.2, high: 1.6 } },
      median: 1.45,
      modelBetter: 1
    }
  ],
  notMeasured: [{ name: "xz", why: "xz is not installed" }],
  adaptive: {
    bitsPerByte: 1.4,
    interval: { low: 1.3, high: 1.5 },
    median: 1.35,
    fittedDocuments: 6,
    fittedTokens: 2500,
    rate: 0.02,
    against: [{ name: "ppmd", ratio: { value: 0.9333, interval: { low: 0.9, high: 0.97 } }, better: 3 }]
  },
  lexical: [{ kind: "keyword", bytes: 346, share: 0.1, bitsPerByte: { model: 0.75, bigram: 0.875 } }],
  validation: {
    loss: 3.25,
    perplexity: 25.8,
    bitsPerByte: 1.95,
    topOneAccuracy: 0.4,
    documents: 1,
    ofDocuments: 6,
    tokens: 500,
    bytes: 1700,
    interval: null,
    baselines: [
      {
        order: 2,
        loss: 3.75,
        perplexity: 42.5,
        bitsPerByte: 2.25,
        topOneAccuracy: 0.25,
        interval: null,
        ratio: { value: 0.8667, interval: null }
      }
    ]
  },
  kinds: [{ kind: "c", bytes: 3456, bitsPerByte: 2.1, baselines: [2.6] }],
  completions: { total: 20, parses: 10, errors: 6, unfinished: 4, loops: 3 },
  documentPrompts: { asked: 30, found: 18, heads: 5, tooLong: 7 },
  parseShare: 0.5,
  realParseShare: null,
  language: "c",
  compileShare: null,
  compiler: "no working gcc is on the PATH",
  guided: {
    prompts: 2,
    notGuided: 0,
    free: {
      parses: 1,
      parseInterval: { low: 0.095, high: 0.905 },
      compiles: null,
      compileInterval: null,
      finishedItems: 0.5,
      longestOverlap: 7
    },
    guided: {
      parses: 2,
      parseInterval: { low: 0.342, high: 1 },
      compiles: null,
      compileInterval: null,
      finishedItems: 1.5,
      longestOverlap: 5
    },
    real: null
  },
  longestOverlap: 7
}
const completions: ReadonlyArray<Completion> = [
  {
    prompt: "int main",
    document: null,
    completion: "(void) { return 0; }\n```\nint",
    tokens: 12,
    ended: "loop",
    status: "errors",
    error: "2:1: not C",
    compile: null,
    guided: "(void) { return 0; }",
    overlap: { tokens: 7, text: "(void)" }
  }
]
const about = {
  model: "quickstart",
  parameters: 1234567,
  vocabularySize: 5000,
  sequenceLength: 128,
  engine: "cpu, f32",
  sampling: "greedy",
  lossless: true,
  sameTraining: true,
  calibration: undefined,
  seconds: new Map([["ppmd", 1.25]]),
  language: c
}

describe("report.md", () => {
  const text = page(report, completions, about)

  it("gives the share that parses with its interval, and says where prompts came from and which are left out", () => {
    expect(text).toContain("| parses as C | 10 of 20 (50.0 %; 29.9 % to 70.1 %) |")
    expect(text).toContain("| finished no item | 4, of which 3 ended in a loop |")
    expect(text).toContain(
      "18 prompts are from documents of the test split: 5 heads of items, and 13 with lines of the body."
    )
    expect(text).toContain("30 were asked for: the documents have no more.")
    expect(text).toContain("7 others were left out")
    expect(text).toContain("The first 12 are shown")
    expect(text).toContain("ended because it repeats itself")
  })

  it("leads with the outcome, and shows model and baseline side by side", () => {
    expect(text).toContain("**Failed: 1 of 2 gates.**")
    expect(text).toContain("model, 1,234,567 parameters | 3.5000")
    expect(text).toContain("bigram, Kneser-Ney | 4.0000")
    expect(text).toContain("![Loss curve](curve.svg)")
  })

  it("shows intervals, yardsticks by document, what is missing and why, and adaptive prediction apart", () => {
    expect(text).toContain("| 2.1000 (1.9000 to 2.3500) |")
    expect(text).toContain("| 2.6000 (2.5000 to 2.7500) | 0.808 (0.750 to 0.875) |")
    expect(text).toContain(
      "| PPMd, primed | 1.500 (1.250 to 1.750) | 1.450 | 1.400 (1.200 to 1.600) | 1 of 4 |"
    )
    expect(text).toContain("- xz -9e, primed: not measured: xz is not installed.")
    const [before, adaptive] = text.split("### Adaptive prediction")
    expect(before).not.toContain("1.400 (1.300")
    expect(adaptive).toContain("| PPMd, primed | 0.933 (0.900 to 0.970) | 3 of 4 |")
    expect(text).toContain("| keyword | 10.0 % | 0.750 | 0.875 |")
  })

  it("says which split each figure belongs to, and when it is over a part of one", () => {
    const [test, validation] = text.split("### The validation split")
    expect(test).toContain("Over the test split: 4 documents")
    expect(test).toContain("bits-per-byte | passed")
    expect(validation).toContain(
      "Over documents of the validation split drawn by the seed, 6 in all: 1 document,"
    )
    expect(validation).toContain("bigram, Kneser-Ney | 3.7500")
  })

  it("says what of the model was chosen on the text that judges it", () => {
    expect(text).toContain("Training chose the state that was published on the validation split")
    expect(text).not.toContain("logits")
    const calibrated = { ...about, calibration: 1.2155 }
    expect(page(report, completions, calibrated)).toContain(
      "logits are divided (1.22) on the validation split"
    )
    const alone: ReportValue = { ...report, split: "validation", validation: null }
    const fallen = page(alone, completions, calibrated)
    expect(fallen).toContain("The dataset has no test split.")
    expect(fallen).toContain("logits are divided (1.22) on this same validation split")
    expect(fallen).not.toContain("### The validation split")
  })

  it("says whether the model was trained beside this split, where that is not so or not known", () => {
    expect(text).not.toMatch(/was trained on/)
    expect(page(report, completions, { ...about, sameTraining: false })).toContain("was trained on another")
    expect(page(report, completions, { ...about, sameTraining: undefined })).toContain(
      "does not say what it was"
    )
  })

  it("says why nothing was compiled", () => {
    expect(text).toContain("not measured: no working gcc is on the PATH")
  })

  it("keeps each table row on one line and each completion in its own block", () => {
    expect(text).toContain("100% asked for |")
    expect(text).toContain("````c\nint main(void) { return 0; }\n```\nint\n````")
    fc.assert(
      fc.property(fc.string(), (code) => {
        const lines = codeBlock(code, "c").split("\n")
        const fence = lines[0]!.slice(0, -1)
        expect(lines.at(-1)).toBe(fence)
        expect(lines.slice(1, -1).some((line) => line.startsWith(fence))).toBe(false)
      })
    )
  })
})

describe("what the model writes, and what a gate says", () => {
  const evil = "a\u001b[2Jb\u009bc\u202ed\re\u0007"
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
  const forbidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/
  const hostile: ReportValue = {
    ...report,
    gates: report.gates.map((gate) => ({ ...gate, gate: evil, why: evil }))
  }

  it("steers no terminal and turns no text around: in the page, in JUnit, in annotations", () => {
    const completion = { ...completions[0]!, prompt: evil, completion: evil, document: evil, error: evil }
    const shown = [
      page(hostile, [completion], { ...about, model: evil }),
      junit(hostile, 1),
      annotations(hostile).join("\n"),
      annotations({ ...hostile, gates: hostile.gates.map((gate) => ({ ...gate, passed: true })) }).join("\n")
    ]
    for (const text of shown) {
      expect(text).toContain("a?[2Jb?c?d?e?")
      expect(text).not.toMatch(forbidden)
    }
  })
})

describe("junit.xml", () => {
  it("is well formed and counts the failures", () => {
    const xml = junit(report, 1.5)
    expect(wellFormed(xml)).toBe(true)
    expect(xml).toContain('<property name="bitsPerByte.high" value="2.35"/>')
    expect(xml).toContain('<property name="bitsPerByte.ppmd" value="1.5"/>')
    expect(xml).toContain('<property name="bitsPerByte.adaptive" value="1.4"/>')
    expect(xml).toContain('tests="2" failures="1"')
    expect(xml).toContain('<testcase classname="validation" name="bits-per-byte" time="0"/>')
    expect(xml).toMatch(/<failure type="gate" message="compile-share: not measured/)
  })

  it("stays well formed whatever a gate says", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (why) => {
        const gates = [{ ...report.gates[1]!, why }]
        expect(wellFormed(junit({ ...report, gates }, 0))).toBe(true)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what XML forbids
        expect(escapeXml(why)).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/)
      })
    )
  })
})

describe("GitHub annotations", () => {
  it("are one error a failed gate, escaped onto one line", () => {
    expect(annotations(report)).toEqual([
      '::error title=Validation gate compile-share::not measured (no "gcc" <here> & now), 100%25%0Aasked for'
    ])
  })

  it("are one notice when all gates passed", () => {
    const passed = { ...report, gates: report.gates.slice(0, 1) }
    expect(annotations(passed)).toEqual([
      "::notice title=Validation passed::bits-per-byte: 2.1, at most 3 asked for"
    ])
  })
})

describe("the summary of a CI job", () => {
  it("has gates with their thresholds, figures, and the difference to a baseline", () => {
    const difference = {
      before: 2,
      after: 2.1,
      change: 0.1,
      share: 0.05,
      standardError: 0.01,
      paired: true,
      worse: true
    }
    const baseline = { split: "test" as const, bitsPerByte: 2, topOneAccuracy: 0.375 }
    const passed = { ...report, gates: report.gates.slice(0, 1) }
    const text = stepSummary({ stage: "validate", report: passed, compared: { baseline, difference } })
    expect(text).toContain("## Validation failed: validate\n")
    expect(text).toContain("| bits-per-byte | 2.1 | at most 3 | passed |")
    expect(text).toContain("| bits per byte | 2.1000 (1.9000 to 2.3500) | 2 | +5.00 % |")
    expect(text).toContain("| top-1 accuracy | 35.0 % | 37.5 % | −2.5 points |")
    expect(text).toContain("| perplexity | 33.12 | – | – |")
    expect(text).toContain("Worse than the baseline: 2.0000 to 2.1000 bits per byte")
    expect(text).toContain("| PPMd, primed | 1.5000 (1.2500 to 1.7500) |")
  })

  it("says why a gate has no value, on one line", () => {
    const text = stepSummary({ stage: "validate", report })
    expect(text).toContain("Passed: 1 of 2 gates.")
    expect(text).toContain(
      '| compile-share | not measured (no "gcc" <here> & now), 100% asked for | at least 0.5 | **failed** |'
    )
  })
})
