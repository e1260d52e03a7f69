/** How a device's failures become the engine's, on a device that is none: what happens to it is chosen here. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Found } from "../../src/webgpu/adapter.ts"
import { openDevice } from "../../src/webgpu/Device.ts"

const limits = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 8
}

/** An adapter whose device is lost when it is told, with its errors by kind. */
const adapter = (errors: Readonly<Record<string, string>> = {}) => {
  const scopes: Array<string> = []
  const asked: Array<unknown> = []
  let lose: (info: { readonly reason: string; readonly message: string }) => void = () => {}
  const lost = new Promise((resolve) => {
    lose = resolve
  })
  const gpu = {
    lost,
    destroy: () => lose({ reason: "destroyed", message: "" }),
    pushErrorScope: (kind: string) => scopes.push(kind),
    popErrorScope: async () => {
      const message = errors[scopes.pop()!]
      return message === undefined ? null : { message }
    },
    queue: { onSubmittedWorkDone: async () => {} }
  }
  const requestDevice = async (descriptor: unknown) => {
    asked.push(descriptor)
    return gpu
  }
  const found = {
    library: {},
    adapter: { limits, requestDevice },
    name: "Test adapter",
    software: false,
    identity: "test"
  } as unknown as Found
  return { found, asked, lose: (message: string) => lose({ reason: "unknown", message }) }
}

describe("a device", () => {
  it.live("is asked for with the adapter's limits on buffers, the smaller of which holds", () =>
    Effect.gen(function* () {
      const { asked, found } = adapter()
      const device = yield* openDevice(found)
      assert.deepStrictEqual(asked, [{ requiredLimits: limits }])
      assert.deepStrictEqual([device.bytes, device.limit], [2 ** 27, "maxStorageBufferBindingSize"])
    }).pipe(Effect.scoped)
  )

  it.live("that is lost is a failure that a new session may fix, also where another error comes first", () =>
    Effect.gen(function* () {
      const { found, lose } = adapter()
      const device = yield* openDevice(found)
      const run = device.guarded("running program train", async () => {
        setTimeout(lose, 10, "the driver was reset.")
        throw new Error("mapAsync failed")
      })
      const error = yield* Effect.flip(run)
      assert.isTrue(error.transient)
      assert.match(error.message, /the device was lost while running program train: the driver was reset/)
      // And so is all that is asked of it afterwards.
      const after = yield* Effect.flip(device.guarded("reading w", async () => 1))
      assert.isTrue(after.transient)
    }).pipe(Effect.scoped)
  )

  it.live("without memory is a failure that says so, and any other error one that does not pass", () =>
    Effect.gen(function* () {
      const small = yield* openDevice(adapter({ "out-of-memory": "Out of memory." }).found)
      const error = yield* Effect.flip(small.guarded("making the session's tensors", async () => 1))
      assert.isTrue(error.memory)
      assert.match(error.message, /Test adapter has no memory left for making the session's tensors/)
      const wrong = yield* openDevice(adapter({ validation: "Bad binding.\nmore" }).found)
      const other = yield* Effect.flip(wrong.guarded("binding", async () => 1))
      assert.isFalse(other.transient)
      assert.match(other.message, /binding: Bad binding$|binding: Bad binding\./)
    }).pipe(Effect.scoped)
  )
})
