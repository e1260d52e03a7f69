/** Strided arrays and primitives against plain loops over the same numbers. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { make } from "../../src/program/Builder.ts"
import type { Expander } from "../../src/program/Expander.ts"
import type { StridedArray } from "../../src/program/StridedArray.ts"
import { interpret, remember } from "../../src/reference/interpret.ts"

/** Runs primitives over inputs that hold 0, 1, 2, … and gives the numbers of the result, row by row. */
const compute = Effect.fnUntraced(function* (
  shapes: ReadonlyArray<ReadonlyArray<number>>,
  write: (e: Expander, ...arrays: Array<StridedArray>) => StridedArray
) {
  const b = make("arrays")
  const inputs = shapes.map((shape, index) => b.input(`x${index}`, shape))
  const e = b.expander("t")
  const result = e.copy(write(e, ...inputs.map(({ name }) => e.array(name))))
  const program = b.build([b.tensor(result.tensor)])
  const values = Object.fromEntries(
    inputs.map(({ name, shape }) => [
      name,
      Float32Array.from({ length: shape.reduce((size, side) => size * side, 1) }, (_, i) => i)
    ])
  )
  const memory = remember(program, new Map(), values)
  yield* interpret("reference", program, memory)
  return { shape: result.shape, values: [...memory.get(result.tensor)!], steps: program.steps }
})

const gives = (
  what: string,
  shapes: ReadonlyArray<ReadonlyArray<number>>,
  write: (e: Expander, ...arrays: Array<StridedArray>) => StridedArray,
  shape: ReadonlyArray<number>,
  values: ReadonlyArray<number>
) =>
  it.effect(what, () =>
    Effect.gen(function* () {
      const result = yield* compute(shapes, write)
      assert.deepStrictEqual(result.shape, shape)
      assert.deepStrictEqual(result.values, values)
    })
  )

describe("Expander", () => {
  gives("transposes", [[2, 3]], (e, x) => e.transpose(x!, [1, 0]), [3, 2], [0, 3, 1, 4, 2, 5])
  gives("slices", [[2, 3]], (e, x) => e.slice(x!, -1, 1, 3), [2, 2], [1, 2, 4, 5])
  gives("pads", [[2, 2]], (e, x) => e.pad(x!, 1, 1, 1), [2, 4], [0, 0, 1, 0, 0, 2, 3, 0])
  gives("slices what is padded", [[3]], (e, x) => e.slice(e.pad(x!, 0, 2, 1), 0, 1, 4), [3], [0, 0, 1])
  gives("pads what is sliced", [[4]], (e, x) => e.pad(e.slice(x!, 0, 1, 3), 0, 1, 1), [4], [0, 1, 2, 0])
  gives("broadcasts", [[2, 1]], (e, x) => e.broadcast(x!, [2, 2, 2]), [2, 2, 2], [0, 0, 1, 1, 0, 0, 1, 1])
  gives(
    "reshapes a view without a copy",
    [[2, 6]],
    (e, x) => e.reshape(e.slice(x!, 1, 2, 6), [2, 2, 2]),
    [2, 2, 2],
    [2, 3, 4, 5, 8, 9, 10, 11]
  )
  gives(
    "reshapes a transpose by a copy",
    [[2, 3]],
    (e, x) => e.reshape(e.transpose(x!, [1, 0]), [2, 3]),
    [2, 3],
    [0, 3, 1, 4, 2, 5]
  )
  gives(
    "merges axes that lie behind each other",
    [[2, 3, 2]],
    (e, x) => e.reshape(x!, [2, 6]),
    [2, 6],
    [...Array(12).keys()]
  )
  gives(
    "maps with broadcasting and coordinates",
    [[2, 1], [3]],
    (e, x, y) => e.map("10 * x + y + 100 * i1", { x: x!, y: y! }),
    [2, 3],
    [0, 101, 202, 10, 111, 212]
  )
  gives("sums over any axis and keeps it", [[2, 3]], (e, x) => e.sum("x", { x: x! }, [0]), [1, 3], [3, 5, 7])
  gives(
    "sums with coordinates of the axes as they were",
    [[2, 3]],
    (e, x) => e.sum("x * i0", { x: x! }, [0]),
    [1, 3],
    [3, 4, 5]
  )
  gives("takes the largest", [[2, 3]], (e, x) => e.max("0 - x", { x: x! }, [-1]), [2, 1], [0, -3])
  gives("sums over everything", [[2, 3]], (e, x) => e.sum("x", { x: x! }, [0, 1]), [1, 1], [15])
  gives(
    "multiplies matrices",
    [
      [2, 3],
      [2, 3]
    ],
    (e, a, b) => e.product(a!, b!),
    [2, 2],
    [5, 14, 14, 50]
  )
  gives(
    "multiplies batches of views",
    [
      [2, 2, 1],
      [2, 1]
    ],
    (e, a, b) => e.product(a!, b!),
    [2, 2, 2],
    [0, 0, 0, 1, 0, 2, 0, 3]
  )
  gives(
    "writes parts of a tensor",
    [[2]],
    (e, x) => {
      const y = e.fill(7, [2, 3])
      e.write(e.slice(y, 1, 1, 2), "x", { x: e.reshape(x!, [2, 1]) }, true)
      return y
    },
    [2, 3],
    [7, 7, 7, 7, 8, 7]
  )

  it("makes one step of a view that needs none", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const { steps } = yield* compute([[4, 6]], (e, x) =>
          e.transpose(e.reshape(e.slice(x!, 1, 0, 4), [4, 2, 2]), [1, 0, 2])
        )
        assert.lengthOf(steps, 1)
      })
    ))

  it("says which shapes do not fit", () => {
    const b = make("wrong")
    const [x, y] = [b.input("x", [2, 3]), b.input("y", [2])]
    const e = b.expander("t")
    const [ax, ay] = [e.array(x.name), e.array(y.name)]
    assert.throws(() => e.map("x + y", { x: ax, y: ay }), /\[2, 3\] and \[2\] do not broadcast/)
    assert.throws(() => e.product(ax, ay), /no product of \[2, 3\] and \[2\]/)
    assert.throws(() => e.map("x + z", { x: ax }), /has no input z/)
    assert.throws(() => e.map("x + i2", { x: ax }), /reads a coordinate/)
    assert.throws(() => e.slice(ax, 0, 1, 3), /1 to 3 is no slice of 2/)
  })
})
