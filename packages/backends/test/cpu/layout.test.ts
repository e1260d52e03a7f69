/** The compiled kernels' constants end before the heap begins, which nothing else would notice until a tensor lies on them. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, test } from "@effect/vitest"
import { heapStart } from "../../src/cpu/layout.ts"

/** Reads a WebAssembly module's numbers. */
const reader = (bytes: Uint8Array) => {
  let at = 8
  const number = () => {
    let [value, shift] = [0, 0]
    for (;;) {
      const byte = bytes[at++]!
      value |= (byte & 127) << shift
      shift += 7
      if (byte < 128) return value
    }
  }
  return { number, at: () => at, skip: (count: number) => (at += count), done: () => at >= bytes.length }
}

/** Address after the last byte of the data segments that lie at constant addresses. */
const endOfData = (bytes: Uint8Array): number => {
  const read = reader(bytes)
  let end = 0
  while (!read.done()) {
    const section = read.number()
    const size = read.number()
    if (section !== 11) {
      read.skip(size)
      continue
    }
    for (let left = read.number(); left > 0; left--) {
      let address = 0
      if (read.number() === 0) {
        assert.strictEqual(read.number(), 0x41, "i32.const")
        address = read.number()
        assert.strictEqual(read.number(), 0x0b, "end")
      }
      const length = read.number()
      end = Math.max(end, address + length)
      read.skip(length)
    }
  }
  return end
}

test.each(["relaxed", "simd"])("the constants of %s.wasm end before the heap", (name) => {
  const file = fileURLToPath(new URL(`../../src/cpu/build/${name}.wasm`, import.meta.url))
  const end = endOfData(readFileSync(file))
  assert.isAbove(end, 6144)
  assert.isAtMost(end, heapStart)
})
