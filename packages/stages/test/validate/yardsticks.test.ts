import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { compress } from "../../src/ppmd/Ppmd.ts"
import { version } from "../../src/validate/Compressor.ts"
import { ppmdBits } from "../../src/validate/ppmdBits.ts"
import { betterIn, measureCompressor, yardstickFigures } from "../../src/validate/yardsticks.ts"
import { someText } from "../ppmd/texts.ts"

const training = [someText(20_000, 1), someText(5_000, 2)]
const documents = [training[0]!.slice(100, 3_100), someText(2_000, 3), new Uint8Array(0)]
const texts = { training, documents }

describe("primed PPMd", () => {
  it.effect("is the size of training text and document less that of the training text, by document", () =>
    Effect.gen(function* () {
      const size = (parts: ReadonlyArray<Uint8Array>) => compress(Buffer.concat(parts), 16, 2 ** 24).length
      const bits = yield* ppmdBits(training, documents)
      expect(Array.from(bits as Float64Array)).toEqual(
        documents.map((document) => 8 * (size([...training, document]) - size(training)))
      )
    })
  )

  it.effect("begins again with more memory where it does not suffice, with the same figures", () =>
    Effect.gen(function* () {
      expect(yield* ppmdBits(training, documents, 2 ** 15)).toEqual(yield* ppmdBits(training, documents))
    })
  )
})

it.layer(NodeServices.layer)("general compressors", (it) => {
  for (const name of ["xz", "zstd"] as const) {
    it.effect(`${name}: training text and documents together less the training text, or why not`, () =>
      Effect.gen(function* () {
        const measured = yield* measureCompressor(name, texts)
        if ((yield* version(name)) === "none") {
          expect(measured).toEqual({ name, why: `${name} is not installed` })
          return
        }
        if ("why" in measured) throw new Error(measured.why)
        // The first document is a part of the training text, so little more than the second is left.
        expect(measured.total).toBeGreaterThan(0)
        expect(measured.total).toBeLessThan(8 * 2_000)
        expect(measured.bits).toBeNull()
      })
    )
  }
})

describe("figures of a yardstick", () => {
  const extents = [
    { start: 0, tokens: 2, bytes: 10 },
    { start: 2, tokens: 2, bytes: 30 },
    { start: 4, tokens: 1, bytes: 0 }
  ]
  const model = Float64Array.of(20, 30, 1)
  const bits = Float64Array.of(10, 40, 2)

  it("are over all bytes, of the median document, and by document, empty documents left out", () => {
    const figures = yardstickFigures({ name: "ppmd", total: 52, bits, tokenBits: null }, extents, model, 1)
    expect(figures).toMatchObject({ bitsPerByte: 1.3, median: (1 + 4 / 3) / 2, modelBetter: 1 })
    expect(figures.ratio.value).toBeCloseTo(51 / 52, 10)
    expect(betterIn(bits, model, extents)).toBe(1)
  })

  it("have no interval where documents were not measured one by one", () => {
    const figures = yardstickFigures(
      { name: "xz", total: 60, bits: null, tokenBits: null },
      extents,
      model,
      1
    )
    expect(figures).toMatchObject({ bitsPerByte: 1.5, interval: null, median: null, modelBetter: null })
  })
})
