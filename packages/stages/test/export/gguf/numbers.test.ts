/** Numbers in the types of GGUF, against values that IEEE 754 gives and against reading them back. */
import { expect, test } from "vitest"
import { formats } from "../../../src/export/gguf/numbers.ts"
import { draws } from "../../../src/model/draws.ts"
import { widened } from "../../../src/tensors/Safetensors.ts"

const halfBits = (value: number): number =>
  Buffer.from(formats.f16.encode(Float32Array.of(value))).readUInt16LE(0)
const brainBits = (value: number): number =>
  Buffer.from(formats.bf16.encode(Float32Array.of(value))).readUInt16LE(0)

test("float16 is the nearest, the even one where two are as near, down to the smallest", () => {
  const cases: ReadonlyArray<readonly [number, number]> = [
    [0, 0],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 ** -14, 0x0400],
    [2 ** -14 - 2 ** -25, 0x0400],
    [2 ** -24, 1],
    [2 ** -25, 0],
    [1.5 * 2 ** -25, 1],
    [-(3 * 2 ** -25), 0x8002],
    [1e-40, 0]
  ]
  for (const [value, bits] of cases) expect([value, halfBits(value)]).toEqual([value, bits])
})

test("every float16 comes back as itself", () => {
  const bytes = Buffer.alloc(2 * 0x7c00)
  for (let bits = 0; bits < 0x7c00; bits++) bytes.writeUInt16LE(bits, 2 * bits)
  expect(Buffer.from(formats.f16.encode(widened("F16", bytes))).equals(bytes)).toBe(true)
})

test("bfloat16 is the nearest, the even one where two are as near", () => {
  expect([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -9].map(brainBits)).toEqual([
    0x3f80, 0x3f80, 0x3f82, 0xbf80
  ])
})

test("q8_0 keeps each number to half a step of its block, and a block of zeros", () => {
  const draw = draws("q8_0")
  const values = Float32Array.from({ length: 96 }, (_, at) => (at < 64 ? (draw() - 0.5) * 10 ** (at % 5) : 0))
  const bytes = Buffer.from(formats.q8_0.encode(values))
  expect(bytes.length).toBe(3 * 34)
  for (const [at, value] of values.entries()) {
    const block = Math.floor(at / 32) * 34
    const step = widened("F16", bytes.subarray(block, block + 2))[0]!
    const back = step * bytes.readInt8(block + 2 + (at % 32))
    expect(Math.abs(back - value)).toBeLessThanOrEqual(step * (0.5 + 127 * 2 ** -11))
  }
  expect(bytes.subarray(68).every((byte) => byte === 0)).toBe(true)
})
