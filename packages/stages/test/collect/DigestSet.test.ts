import { createHash } from "node:crypto"
import { expect, test } from "vitest"
import { DigestSet } from "../../src/collect/DigestSet.ts"

const digests = Array.from({ length: 5000 }, (_, at) => createHash("sha256").update(String(at)).digest("hex"))

test("a set of digests has what was added, once each, as it grows", () => {
  const set = new DigestSet()
  for (const digest of digests.slice(0, 4000)) {
    expect(set.has(digest)).toBe(false)
    expect(set.add(digest)).toBe(true)
  }
  expect(set.size).toBe(4000)
  expect(digests.filter((digest) => set.has(digest))).toEqual(digests.slice(0, 4000))
  expect(digests.filter((digest) => set.add(digest))).toEqual(digests.slice(4000))
  const zeros = "0".repeat(64)
  expect([set.has(zeros), set.add(zeros), set.add(zeros)]).toEqual([false, true, false])
})
