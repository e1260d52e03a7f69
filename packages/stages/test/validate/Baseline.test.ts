import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import * as Baseline from "../../src/validate/Baseline.ts"

const directory = mkdtempSync(join(tmpdir(), "trainyard baseline "))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const write = (name: string, value: unknown) => {
  const file = join(directory, name)
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value))
  return file
}

const read = (file: string) => Effect.runPromise(Baseline.read(file).pipe(Effect.provide(NodeServices.layer)))

/** Documents of 1,000 bytes that differ much among each other, each at a factor of its bits. */
const of = (factor: (index: number) => number, documents = 40): Baseline.Baseline => {
  const perDocument = Array.from({ length: documents }, (_, index) => ({
    document: `folder ${index}.c`,
    bytes: 1000,
    bits: 1000 * (1 + (index % 10) / 5) * factor(index)
  }))
  const bits = perDocument.reduce((sum, each) => sum + each.bits, 0)
  return {
    split: "test",
    bitsPerByte: bits / (1000 * documents),
    interval: { low: bits / (1000 * documents) - 0.18, high: bits / (1000 * documents) + 0.18 },
    perDocument
  }
}

const compare = (before: Baseline.Baseline, after: Baseline.Baseline) =>
  Effect.runSync(Baseline.compare(before, after))

const withoutDocuments = ({ bitsPerByte, interval, split }: Baseline.Baseline): Baseline.Baseline => ({
  bitsPerByte,
  split,
  ...(interval === undefined ? {} : { interval })
})

const before = of(() => 1)

describe("comparison with a baseline", () => {
  it("is worse where every document is 1 % worse, though documents differ much more among each other", () => {
    const found = compare(
      before,
      of(() => 1.01)
    )
    expect(found.paired).toBe(true)
    expect(found.share).toBeCloseTo(0.01)
    expect(found.worse).toBe(true)
    expect(Baseline.sentence(found)).toMatch(
      /^Worse than the baseline: 1\.9000 to 1\.9190 bits per byte \(\+1\.00 %, \+0\.0190, standard error 0\.00\d\d\), compared document by document/
    )
  })

  it("is not worse within 0.5 %, nor where it is better", () => {
    for (const factor of [1.004, 1, 0.9]) {
      expect(
        compare(
          before,
          of(() => factor)
        ).worse
      ).toBe(false)
    }
  })

  it("is not worse within two standard errors: one document alone accounts for 1 %", () => {
    const found = compare(
      before,
      of((index) => (index === 3 ? 1.5 : 1))
    )
    expect(found.share).toBeGreaterThan(0.005)
    expect(found.worse).toBe(false)
  })

  it("knows a report without documents only as a whole, whose standard error is far larger", () => {
    const found = compare(
      withoutDocuments(before),
      of(() => 1.01)
    )
    expect(found.paired).toBe(false)
    expect(found.standardError).toBeGreaterThan(0.09)
    expect(found.worse).toBe(false)
    expect(
      compare(
        withoutDocuments(before),
        of(() => 1.3)
      ).worse
    ).toBe(true)
    expect(Baseline.sentence(found)).toContain("compared as a whole")
  })

  it("pairs by name and length, not by place, and not at all where the documents are others", () => {
    const after = of(() => 1.01)
    const turned = { ...after, perDocument: [...(after.perDocument ?? [])].reverse() }
    expect(compare(before, turned)).toMatchObject({ paired: true, worse: true })
    expect(
      compare(
        before,
        of(() => 1.01, 39)
      ).paired
    ).toBe(false)
    const longer = {
      ...after,
      perDocument: after.perDocument?.map((each) => ({ ...each, bytes: 1001 })) ?? []
    }
    expect(compare(before, longer).paired).toBe(false)
  })

  it("allows 0.5 % alone where one document leaves the standard error unknown, and says so", () => {
    const found = compare(
      { ...withoutDocuments(before), interval: null },
      of(() => 1.01)
    )
    expect(found).toMatchObject({ standardError: null, worse: true })
    expect(Baseline.sentence(found)).toContain("the standard error is unknown")
  })

  it("refuses a baseline over another split", () => {
    const other = Effect.runSync(Effect.flip(Baseline.compare({ ...before, split: "validation" }, before)))
    expect(other.message).toContain("on the validation split and this report on the test split")
  })
})

describe("the baseline's file", () => {
  it("is read as it was written, and found beside a report", async () => {
    write("baseline.json", before)
    const report = write("report.json", { ...withoutDocuments(before), documents: 40, passed: true })
    expect((await read(report)).perDocument).toHaveLength(40)
    expect((await read(join(directory, "baseline.json"))).perDocument).toHaveLength(40)
    const alone = write("main.json", { ...withoutDocuments(before), documents: 40 })
    expect((await read(alone)).perDocument).toBeUndefined()
  })

  it("is refused in a sentence where it is missing or something else", async () => {
    await expect(read(join(directory, "nothing.json"))).rejects.toThrow(
      /nothing\.json cannot be read \(NotFound\)\. Name the baseline\.json or the report\.json/
    )
    for (const text of ["", "[]", '{"split":"test"}', '{"split":"test","bitsPerByte":0}']) {
      await expect(read(write("wrong.json", text))).rejects.toThrow(/wrong\.json is no baseline/)
    }
  })

  it("numbers the parts of one document", () => {
    const part = { origin: "npm:x@1.0.0", path: "a.c", bytes: 5 }
    expect(Baseline.perDocumentOf([part, part], [1, 2]).map(({ document }) => document)).toEqual([
      "npm:x@1.0.0 a.c",
      "npm:x@1.0.0 a.c (2)"
    ])
  })
})
