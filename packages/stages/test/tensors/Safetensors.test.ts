import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { decode, encode, type NamedTensor } from "../../src/tensors/Safetensors.ts"

const bytesOf = (tensors: ReadonlyArray<NamedTensor>, metadata?: Record<string, string>): Buffer =>
  Buffer.concat(encode(tensors, metadata))

const tensors = fc
  .uniqueArray(
    fc.tuple(
      fc.string({ minLength: 1, maxLength: 12 }).filter((name) => name !== "__metadata__"),
      fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })
    ),
    { selector: ([name]) => name, maxLength: 6 }
  )
  .chain((list) =>
    fc.tuple(
      ...list.map(([name, shape]) => {
        const size = shape.reduce((product, side) => product * side, 1)
        return fc
          .array(fc.float(), { minLength: size, maxLength: size })
          .map((values): NamedTensor => ({ name, shape, values: Float32Array.from(values) }))
      })
    )
  )

/** A file with any header and this many zero bytes of data. */
const withHeader = (header: unknown, data: number): Buffer => {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, Buffer.alloc(data)])
}

const refusal = (bytes: Uint8Array) => Effect.runSync(Effect.flip(decode(bytes, "a.safetensors"))).message

describe("Safetensors", () => {
  it("gives back the tensors and metadata that were written, bit for bit", () => {
    fc.assert(
      fc.property(tensors, fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }), (list, metadata) => {
        const contents = Effect.runSync(decode(bytesOf(list, metadata), "a.safetensors"))
        assert.deepStrictEqual({ ...contents.metadata }, { ...metadata })
        assert.strictEqual(contents.tensors.size, list.length)
        for (const { name, shape, values } of list) {
          const read = contents.tensors.get(name)!
          assert.deepStrictEqual(read.shape, shape)
          assert.deepStrictEqual(
            Buffer.from(read.values.buffer, read.values.byteOffset, read.values.byteLength),
            Buffer.from(values.buffer)
          )
        }
      }),
      { numRuns: 100 }
    )
  })

  it("reads a file that lies anywhere in memory", () => {
    const bytes = bytesOf([{ name: "x", shape: [2], values: Float32Array.of(1.5, -2) }])
    for (let shift = 0; shift < 4; shift++) {
      const room = new Uint8Array(bytes.length + 4)
      room.set(bytes, shift)
      const { tensors } = Effect.runSync(decode(room.subarray(shift, shift + bytes.length), "a"))
      assert.deepStrictEqual([...tensors.get("x")!.values], [1.5, -2])
    }
  })

  it("puts the data at a multiple of eight bytes behind a header that begins with a brace", () => {
    const bytes = bytesOf([{ name: "x", shape: [1], values: Float32Array.of(1) }], { format: "pt" })
    const length = Number(bytes.readBigUInt64LE(0))
    assert.strictEqual(length % 8, 0)
    assert.deepStrictEqual(JSON.parse(bytes.subarray(8, 8 + length).toString()), {
      __metadata__: { format: "pt" },
      x: { dtype: "F32", shape: [1], data_offsets: [0, 4] }
    })
  })

  it("reads float16 and bfloat16 as the float32 that they stand for", () => {
    const read = (dtype: string, halves: ReadonlyArray<number>) => {
      const header = { x: { dtype, shape: [halves.length], data_offsets: [0, 2 * halves.length] } }
      const file = withHeader(header, 2 * halves.length)
      for (const [index, half] of halves.entries())
        file.writeUInt16LE(half, file.length - 2 * (halves.length - index))
      return [...Effect.runSync(decode(file, "a")).tensors.get("x")!.values]
    }
    // One, minus two, the largest, the smallest normal, the smallest of all, zeros, infinities.
    assert.deepStrictEqual(read("F16", [0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0xfc00]), [
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      -0,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY
    ])
    assert.deepStrictEqual(read("BF16", [0x3f80, 0xc000, 0x3e20, 0x0080, 0x8000, 0xff80]), [
      1,
      -2,
      0.15625,
      2 ** -126,
      -0,
      Number.NEGATIVE_INFINITY
    ])
    assert.isTrue([...read("F16", [0x7e00]), ...read("BF16", [0x7fc0])].every(Number.isNaN))
  })

  it("refuses every truncation", () => {
    const bytes = bytesOf([{ name: "x", shape: [3], values: new Float32Array(3) }])
    for (let length = 0; length < bytes.length; length++)
      assert.match(refusal(bytes.subarray(0, length)), /a\.safetensors cannot be read/)
  })

  it("never throws or misreads when bytes of a file change", () => {
    const good = bytesOf([
      { name: "x", shape: [2, 2], values: new Float32Array(4) },
      { name: "y", shape: [3], values: new Float32Array(3) }
    ])
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const bytes = Buffer.from(good)
          for (const [at, value] of changes) bytes[at] = value
          const result = Effect.runSync(Effect.result(decode(bytes, "a")))
          if (result._tag === "Failure") assert.strictEqual(result.failure._tag, "SafetensorsError")
          else
            for (const { shape, values } of result.success.tensors.values())
              assert.strictEqual(
                values.length,
                shape.reduce((product, side) => product * side, 1)
              )
        }
      ),
      { numRuns: 500 }
    )
  })

  const entry = (begin: number, end: number, shape: ReadonlyArray<number>, dtype = "F32") => ({
    dtype,
    shape,
    data_offsets: [begin, end]
  })
  const malformed: ReadonlyArray<readonly [string, Buffer, RegExp]> = [
    ["nothing", Buffer.alloc(0), /0 bytes/],
    ["a header of 2^63 bytes", Buffer.from("ffffffffffffff7f7b7d", "hex"), /more than the format allows/],
    ["a header longer than the file", withHeader("{}", 0).fill(9, 0, 1), /ends before/],
    ["a header that is no object", withHeader("[]", 0), /does not begin with/],
    ["a header that is not JSON", withHeader("{x}", 0), /not JSON/],
    [
      "a type that is no float",
      withHeader({ x: entry(0, 16, [2], "I64") }, 16),
      /type I64; F32, F16 and BF16/
    ],
    ["an unknown type", withHeader({ x: entry(0, 4, [2], "F12") }, 4), /type F12, which is not known/],
    ["half as many bytes as its type needs", withHeader({ x: entry(0, 4, [1], "F16") }, 4), /needs 2 bytes/],
    ["data outside the file", withHeader({ x: entry(0, 400, [100]) }, 4), /outside/],
    ["negative offsets", withHeader({ x: entry(-4, 0, [1]) }, 4), /outside/],
    ["an end before its beginning", withHeader({ x: entry(4, 0, [1]) }, 4), /outside/],
    ["a shape that does not fit", withHeader({ x: entry(0, 4, [2]) }, 4), /needs 8 bytes/],
    ["a negative side", withHeader({ x: entry(0, 4, [-1, -1]) }, 4), /negative side/],
    ["sides whose product overflows", withHeader({ x: entry(0, 4, [2 ** 50, 2 ** 50]) }, 4), /needs/],
    ["sides that are not whole", withHeader({ x: entry(0, 4, [1.5]) }, 4), /lacks dtype, shape/],
    ["overlap", withHeader({ x: entry(0, 8, [2]), y: entry(4, 12, [2]) }, 12), /overlaps/],
    ["a hole", withHeader({ x: entry(0, 4, [1]), y: entry(8, 12, [1]) }, 12), /belong to none/],
    ["bytes left over", withHeader({ x: entry(0, 4, [1]) }, 12), /belong to no tensor/],
    ["a tensor without a name", withHeader({ "": entry(0, 4, [1]) }, 4), /no name/],
    ["metadata that is not text", withHeader({ __metadata__: { a: 1 } }, 0), /table of text/],
    ["an entry that is a number", withHeader({ x: 4 }, 0), /lacks dtype/]
  ]
  it.each(malformed)("refuses %s", (_, bytes, message) => {
    assert.match(refusal(bytes), message)
  })
})
