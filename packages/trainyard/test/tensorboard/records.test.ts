import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, it } from "vitest"
import { double, float, integer, message, string } from "../../src/tensorboard/protobuf.ts"
import { crc32c, record } from "../../src/tensorboard/records.ts"
import { flatSettings } from "../../src/tensorboard/settings.ts"
import { fields, records } from "./decode.ts"

const directory = mkdtempSync(join(tmpdir(), "trainyard records "))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

it("computes CRC-32C as RFC 3720 has it", () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e)
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283)
})

it("frames records so that each can be found and checked", () => {
  const file = join(directory, "records")
  const texts = ["", "a", "x".repeat(1000)]
  writeFileSync(file, Buffer.concat(texts.map((text) => record(new TextEncoder().encode(text)))))
  expect(records(file).map((data) => new TextDecoder().decode(data))).toEqual(texts)
})

it("encodes numbers and text as Protocol Buffers do", () => {
  expect(hex(integer(1, 150))).toBe("089601")
  expect(hex(string(2, "testing"))).toBe("120774657374696e67")
  expect(hex(float(2, 1.5))).toBe("150000c03f")
  expect(hex(double(1, 1.5))).toBe("09000000000000f83f")
  const large = fields(message(integer(1, 0), integer(2, 2 ** 40 + 3), integer(20, 127)))
  expect([large.get(1), large.get(2), large.get(20)]).toEqual([[0], [2 ** 40 + 3], [127]])
})

it("names nested settings with dots", () => {
  const config = { steps: 10, model: { layers: 2, tied: true }, orders: [2, 5], none: null, name: "a\u001bb" }
  expect(Object.fromEntries(flatSettings(config))).toEqual({
    steps: 10,
    "model.layers": 2,
    "model.tied": true,
    orders: "[2,5]",
    name: "a?b"
  })
})
