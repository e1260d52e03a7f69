import { describe, expect, it } from "vitest"
import { cLexemes } from "../../src/languages/c/lexemes.ts"
import { kindsOfBytes, LexicalSums } from "../../src/validate/lexical.ts"

const kinds = (text: string) => kindsOfBytes(text, cLexemes(text))

describe("kinds of lexical elements", () => {
  it("are known for every byte, and tell a name that the document has had from one that it has not", () => {
    const text = "int é = é;"
    const all = kinds(text)
    expect(all.length).toBe(Buffer.byteLength(text))
    const [first, second] = [4, 9].map((byte) => all[byte])
    expect(first).not.toBe(second)
    expect(all[5]).toBe(first)
    // Each document begins anew.
    expect(kinds("é")[0]).toBe(first)
  })

  it("divide a token's bits among its bytes, and lose none", () => {
    const text = "int a=a+1;"
    const sums = new LexicalSums(["model"])
    // "int ", "a=", "a", "+1;"
    sums.add(kinds(text), [4, 2, 1, 3], () => [8, 4, 1, 6])
    const figures = new Map(sums.figures().map((each) => [each.kind, each]))
    const bits = (kind: Parameters<typeof figures.get>[0]) =>
      figures.get(kind)!.bytes * figures.get(kind)!.bitsPerByte.model!
    expect(bits("keyword")).toBe(6)
    expect(bits("white space")).toBe(2)
    expect(bits("identifier not seen before")).toBe(2)
    expect(bits("identifier seen before in the document")).toBe(1)
    expect(bits("literal")).toBe(2)
    expect(bits("punctuation")).toBe(6)
    expect(figures.has("comment")).toBe(false)
    const shares = [...figures.values()].reduce((sum, each) => sum + each.share, 0)
    expect(shares).toBeCloseTo(1, 10)
  })
})
