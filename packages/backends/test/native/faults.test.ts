/**
 * Every allocation, Node-API call and thread start of the addon is made to fail in turn, alone and with all that follow. Whatever fails
 * says so, nothing is left behind, and what was open before goes on with the bits that it would have had. `npm run test:native-debug` runs
 * this under the address sanitizer: a build without it has no way to fail on demand.
 */
import { assert, describe, it } from "@effect/vitest"
import { load, type PreparedHandle, type SessionHandle } from "../../src/native/addon.ts"

const loaded = load()
const addon = loaded.loaded ? loaded.addon : undefined
const failAt = addon?.failAt
const heldBytes = addon?.heldBytes

/** The sum of 256 squares, as native/primitive.ts describes it. */
const squares = Float64Array.of(
  ...[1, 256, 1, 0, 0, 2, 0, 0, 0, 1, 0, 256, 0, -1, 0, 0, 0, 256],
  ...[0, 3, -1, 0, -1, 0, 2, 0]
)

/** A layer of which a program keeps a packed copy, its gradient norm, a primitive, and as much working memory as `rows` wants. */
const layer = (rows: number, isTraining: boolean) => ({
  bytes: 4 * 64 * rows,
  tensors: [
    { shape: [rows, 16], held: -1, offset: -1 },
    { shape: [16, 16], held: 0, offset: -1 },
    { shape: [16], held: 1, offset: -1 },
    { shape: [rows, 16], held: -1, offset: 0 },
    { shape: [rows, 16], held: -1, offset: 64 * rows },
    { shape: [16, 16], held: 2, offset: -1 },
    { shape: [1], held: -1, offset: 128 * rows },
    { shape: [1], held: -1, offset: 128 * rows + 64 }
  ],
  steps: [
    { operation: "linear", inputs: [0, 1, 2, -1], outputs: [3, -1] },
    { operation: "gelu", inputs: [3], outputs: [4] },
    ...(isTraining
      ? [
          { operation: "linearBackwardWeight", inputs: [4, 0], outputs: [5, -1] },
          { operation: "gradientNorm", inputs: [5], outputs: [6, 7] },
          { operation: "reduce", inputs: [5], outputs: [6], primitive: squares }
        ]
      : [])
  ].map((step) => ({ ...step, attributes: { maximum: 1 }, accumulate: 0 }))
})
const sizes = [256, 16, 256]
const values = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i + 1))

/** Runs a program on its rows of input; gives its activations. */
const ran = (prepared: PreparedHandle, rows: number): Promise<ReadonlyArray<number>> =>
  new Promise((resolve, reject) =>
    addon!.run(
      prepared,
      [[0, values(16 * rows)]],
      (failure) => {
        if (failure !== null) return reject(new Error(failure))
        const results = new Float32Array(16 * rows)
        addon!.take(prepared, 4, results)
        resolve([...results])
      },
      false
    )
  )

/** A turn of the event loop, in which finished calls are given back. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 1))

/** Makes the first, second, ... of what `action` does fail until all succeeds; `after` looks at what is left each time. */
const sweep = async (action: () => unknown, after: () => unknown) => {
  for (const lasting of [false, true])
    for (let nth = 1; ; nth++) {
      let thrown: unknown
      failAt!(nth, lasting)
      try {
        await action()
      } catch (error) {
        thrown = error
      }
      const failed = failAt!(0, false)
      const which = `failure ${nth}${lasting ? " and all that follow" : ""}`
      if (failed) {
        assert.instanceOf(thrown, Error, `${which} was not told`)
        assert.notStrictEqual((thrown as Error).message, "", which)
      } else assert.isUndefined(thrown, which)
      await after()
      if (!failed) {
        assert.isAbove(nth, 3, "next to nothing was made to fail")
        break
      }
    }
}

const absent = "the debug build is not loaded; npm run test:native-debug"
describe.skipIf(failAt === undefined)(
  failAt === undefined ? `failures made in the addon: ${absent}` : "failures made in the addon",
  () => {
    const path = addon?.paths().find((path) => path.name === "portable")?.index ?? 0
    const open = (arena: number) => addon!.open({ path, bf16: false, threads: 3, sizes, arena })
    const filled = (arena: number): SessionHandle => {
      const session = open(arena)
      for (const [index, size] of sizes.entries()) addon!.write(session, index, values(size))
      return session
    }

    it("a session that cannot be opened leaves nothing behind", async () => {
      await turn()
      const before = heldBytes!()
      await sweep(
        () => addon!.close(open(1)),
        () => assert.strictEqual(heldBytes!(), before)
      )
    })

    it("a peak that cannot be measured leaves no thread behind", async () => {
      await sweep(
        () => addon!.peak({ path, bf16: false, threads: 3, seconds: 0.001 }),
        () => {}
      )
    })

    for (const arena of [0, 1])
      for (const isTraining of [false, true])
        it(`a ${isTraining ? "training " : ""}program that cannot be prepared leaves those before it whole, ${arena === 1 ? "in an arena" : "apart"}`, async () => {
          const session = filled(arena)
          const small = addon!.prepare(session, layer(4, false))
          const right = await ran(small, 4)
          await turn()
          const before = addon!.bytes(session)
          let rows = 8
          await sweep(
            () => {
              // Larger each time, so that working memory has to grow.
              rows += 40
              addon!.release(addon!.prepare(session, layer(rows, isTraining)))
            },
            async () => {
              assert.deepStrictEqual(await ran(small, 4), right)
            }
          )
          const large = addon!.prepare(session, layer(rows + 40, isTraining))
          assert.deepStrictEqual((await ran(large, rows + 40)).slice(0, 64), right)
          assert.deepStrictEqual(await ran(small, 4), right)
          assert.isAtLeast(addon!.bytes(session), before)
          for (const prepared of [small, large]) addon!.release(prepared)
          addon!.close(session)
        })

    it("a run that cannot start is told, and the next one runs", async () => {
      await turn()
      const before = heldBytes!()
      const session = filled(1)
      const prepared = addon!.prepare(session, layer(9, true))
      const right = await ran(prepared, 9)
      await sweep(
        () => ran(prepared, 9),
        async () => assert.deepStrictEqual(await ran(prepared, 9), right)
      )
      addon!.release(prepared)
      addon!.close(session)
      await turn()
      // Calls that did not come to run hold nothing either.
      assert.strictEqual(heldBytes!(), before)
    })

    it("what is wrong with a program is told, and the session goes on", async () => {
      const session = filled(0)
      const program = layer(4, true)
      const wrong = { ...program, tensors: program.tensors.map((tensor) => ({ ...tensor, held: 7 })) }
      assert.throws(() => addon!.prepare(session, wrong), /held tensor/)
      const right = await ran(addon!.prepare(session, layer(4, false)), 4)
      assert.throws(() => addon!.prepare(session, wrong), /held tensor/)
      assert.deepStrictEqual(await ran(addon!.prepare(session, layer(4, false)), 4), right)
      addon!.close(session)
    })
  }
)
