import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { compress, Ppmd } from "../../src/ppmd/Ppmd.ts"
import { MemoryFull } from "../../src/ppmd/Units.ts"
import { someText } from "./texts.ts"

const memory = 2 ** 26
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex").slice(0, 16)

const version = 'import importlib.metadata as m, pyppmd; print(m.version("pyppmd"))'
const pyppmd = ["python3", ...(process.env.TRAINYARD_TEST_PYTHON ?? "").split(":")]
  .filter((python) => python !== "")
  .map((python) => ({
    python,
    version: spawnSync(python, ["-c", version], { encoding: "utf8" }).stdout?.trim() ?? ""
  }))
  .find((each) => each.version !== "")

const encode = `
import sys, pyppmd
encoder = pyppmd.Ppmd7Encoder(int(sys.argv[1]), ${memory})
text = sys.stdin.buffer.read()
sys.stdout.buffer.write(encoder.encode(text) + encoder.flush())`

describe("PPMd", () => {
  // Sizes and SHA-256 (first 16 digits) of what pyppmd 1.3.1's Ppmd7Encoder makes of the same text.
  for (const [order, size, sha256] of [
    [2, 56_870, "67f4897e38efbad0"],
    [6, 37_234, "b7306a8b95d949e8"],
    [16, 29_301, "0c6a111563447a0c"],
    [64, 28_979, "9b4caf8bcf4705f8"]
  ] as const) {
    it(`of order ${order} compresses to the bytes that pyppmd made`, () => {
      const output = compress(someText(200_000, 1), order, memory)
      expect([output.length, digest(output)]).toEqual([size, sha256])
    })
  }

  const found = pyppmd === undefined ? "no Python with it here, see TRAINYARD_TEST_PYTHON" : pyppmd.version
  it.skipIf(pyppmd === undefined)(`compresses as pyppmd (${found}) does, any text`, () => {
    for (const [order, bytes, seed] of [
      [2, 0, 1],
      [3, 1, 2],
      [4, 30_000, 3],
      [16, 60_000, 4],
      [32, 50_000, 5]
    ] as const) {
      const text = someText(bytes, seed)
      const reference = spawnSync(pyppmd!.python, ["-c", encode, String(order)], { input: text })
      expect(reference.stderr.toString()).toBe("")
      expect(digest(compress(text, order, memory))).toBe(digest(reference.stdout))
    }
  })

  it("knows its size at any moment, and goes back to a state that it kept", () => {
    const training = someText(30_000, 6)
    const documents = [someText(3_000, 7), training.subarray(1_000, 5_000), new Uint8Array(0)]
    const ppmd = new Ppmd(16, memory)
    ppmd.encode(training)
    const primed = ppmd.snapshot()
    for (const document of [...documents, documents[0]!]) {
      ppmd.restore(primed)
      ppmd.encode(document)
      const whole = compress(Buffer.concat([training, document]), 16, memory)
      expect(ppmd.size).toBe(whole.length)
    }
    ppmd.restore(primed)
    ppmd.encode(documents[0]!)
    expect(digest(ppmd.finish())).toBe(digest(compress(Buffer.concat([training, documents[0]!]), 16, memory)))
  })

  it("does not depend on the memory while that suffices, and says when it does not", () => {
    const text = someText(20_000, 8)
    expect(digest(compress(text, 16, 2 ** 23))).toBe(digest(compress(text, 16, memory)))
    expect(() => compress(text, 16, 2 ** 16)).toThrow(MemoryFull)
  })
})
