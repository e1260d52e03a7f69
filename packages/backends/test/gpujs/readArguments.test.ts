import { assert, describe, it } from "@effect/vitest"
import { fromRow, readWholes } from "../../src/gpujs/readArguments.ts"

describe("a kernel's text", () => {
  it("reads rows of a taller matrix, by row and column or by element", () => {
    const text = "return a[0][x] + a[y + b[0][y]][x] + a[a[1][0]][2] + c_a[3] + a[k];"
    assert.strictEqual(
      fromRow(text, "a", 5, 10),
      "return a[5][x] + a[(y + b[0][y]) + 5][x] + a[(a[6][0]) + 5][2] + c_a[3] + a[(k) + 50];"
    )
    assert.strictEqual(fromRow(text, "a", 0, 10), text)
  })

  it("has one argument for all rows of one matrix", () => {
    const of = { id: 1, rows: 3, columns: 4 }
    const part = (row: number) => ({ id: 2 + row, rows: 1, columns: 4, part: { of, row } })
    const other = { id: 9, rows: 1, columns: 4 }
    const read = readWholes([part(2), other, part(0)], "return a[0][x] + b[0][x] * c[0][x];")
    assert.deepStrictEqual(read, {
      names: ["a", "b"],
      inputs: [of, other],
      body: "return a[2][x] + b[0][x] * a[0][x];"
    })
  })
})
