import { describe, expect, test } from "vitest"
import {
  amount,
  bytes,
  duration,
  figure,
  metric,
  metricValue,
  oneLine,
  partOf,
  share
} from "../../src/show/format.ts"

describe("format", () => {
  test.each([
    [0.04, "0.0 s"],
    [9.94, "9.9 s"],
    [59.6, "1 min 00 s"],
    [125, "2 min 05 s"],
    [7_500, "2 h 05 min"],
    [200_000, "2 d 7 h"],
    [Number.NaN, "?"],
    [Number.POSITIVE_INFINITY, "?"]
  ])("%d seconds read %s", (seconds, text) => expect(duration(seconds)).toBe(text))

  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [4_600_000, "4.6 MB"],
    [123_000_000, "123 MB"]
  ])("%d bytes read %s", (size, text) => expect(bytes(size)).toBe(text))

  test.each([
    [12_345.6, "12,346"],
    [12.34, "12.3"],
    [1.234, "1.23"],
    [0.00123, "0.0012"]
  ])("%d reads %s", (value, text) => expect(figure(value)).toBe(text))

  test.each([
    [12_345_678, 48_000_000, "bytes", "12.3 of 48.0 MB"],
    [900_000, 48_000_000, "bytes", "900 kB of 48.0 MB"],
    [1200, 3000, "files", "1,200 of 3,000 files"]
  ])("%d of %d %s read %s", (done, total, unit, text) => expect(partOf(done, total, unit)).toBe(text))

  test("an amount of bytes is read as a size, any other with its unit", () => {
    expect(amount(12_345_678, "bytes")).toBe("12.3 MB")
    expect(amount(1200, "files")).toBe("1,200 files")
  })

  test("a metric keeps the digits that tell two steps apart, and one that is not finite is named", () => {
    expect([3.0333, 148.2, 0.0006, 1.5e-5, 12_345.6, 0, null].map(metricValue)).toEqual([
      "3.033",
      "148.2",
      "0.0006000",
      "1.50e-5",
      "12,346",
      "0.000",
      "not finite"
    ])
    expect(metric({ name: "throughput", value: 3772, unit: "tokens/s" })).toBe("3,772 tokens/s")
    expect(metric({ name: "step time", value: 136, unit: "ms" })).toBe("step time 136 ms")
    expect(metric({ name: "loss", value: null })).toBe("loss not finite")
  })
  test("a small share keeps a digit", () => expect(share(0.012)).toBe("1.2 %"))

  test("text on one line cannot steer the terminal, and is cut", () => {
    expect(oneLine("a\u001b[2Jb\nc", 80)).toBe("a?[2Jb\\nc")
    expect(oneLine("abcdefgh", 6)).toBe("abc...")
  })
})
