/** A session on a device: tensors are buffers that stay there. A run sends up its inputs and brings back its outputs; nothing else crosses. */
import { Effect, Semaphore } from "effect"
import { EngineFailure, ProgramRejected, type Session } from "../Backend.ts"
import { expandedFor } from "../program/expand.ts"
import { fault } from "../program/faults.ts"
import { sizeOf, type Tensor } from "../program/Program.ts"
import { ProgramError } from "../program/ProgramError.ts"
import { rejection, wrongInputs } from "../program/verify.ts"
import type { Device } from "./Device.ts"
import { lower } from "./Lowering.ts"
import { lowerings } from "./lowerings.ts"
import { Pool } from "./Pool.ts"
import { download, makeRunnable, tooLarge } from "./runnable.ts"

const name = "webgpu"

/** Operations and primitives with kernels. */
export const kernels: ReadonlySet<string> = new Set(Object.keys(lowerings))

const rejected = (program: string, why: string) => new ProgramRejected({ engine: name, program, why })

interface Held {
  readonly buffer: GPUBuffer
  readonly length: number
}

/** Buffers for a session's tensors: zeros until written. */
const holdAll = Effect.fnUntraced(function* (device: Device, tensors: ReadonlyArray<Tensor>) {
  const held = new Map<string, Held>()
  for (const tensor of tensors) {
    const large = tooLarge(device, `${tensor.name} [${tensor.shape}]`, sizeOf(tensor.shape))
    if (large !== undefined) return yield* rejected("(session)", large)
  }
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const { buffer } of held.values()) buffer.destroy()
    })
  )
  yield* device.guarded("making the session's tensors", async () => {
    for (const tensor of tensors) {
      const length = sizeOf(tensor.shape)
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC
      const buffer = device.gpu.createBuffer({ label: tensor.name, size: length * 4, usage })
      held.set(tensor.name, { buffer, length })
    }
  })
  return held
})

const poolOf = (device: Device) =>
  new Pool(
    (bytes) =>
      device.gpu.createBuffer({
        label: "working memory",
        size: bytes,
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC
      }),
    (buffer) => buffer.destroy()
  )

/** A session over these tensors on an open device. */
export const openSession = Effect.fnUntraced(function* (device: Device, tensors: ReadonlyArray<Tensor>) {
  const held = yield* holdAll(device, tensors)
  const pool = poolOf(device)
  // Runs, reads and writes of one session share its tensors, so they take turns.
  const turns = yield* Semaphore.make(1)
  const find = Effect.fnUntraced(function* (tensor: string) {
    const found = held.get(tensor)
    if (found !== undefined) return found
    return yield* rejected("(session)", `the session holds no tensor ${tensor}`)
  })
  const session: Session = {
    prepare: Effect.fnUntraced(function* (program) {
      yield* rejection(name, program, tensors)
      const expanded = yield* expandedFor(name, program, kernels, kernels)
      const lowered = yield* Effect.try({
        try: () => lower(expanded, lowerings, device),
        catch: (cause) =>
          rejected(program.name, cause instanceof ProgramError ? cause.why : `it cannot be lowered: ${cause}`)
      })
      const runnable = yield* makeRunnable(device, pool, lowered, (tensor) => held.get(tensor)?.buffer)
      return {
        run: Effect.fnUntraced(function* (inputs) {
          const why = wrongInputs(program, inputs)
          if (why !== undefined) return yield* rejected(program.name, why)
          const wrong = fault(program, inputs) ?? fault(expanded, inputs)
          if (wrong !== undefined)
            return yield* new EngineFailure({ engine: name, why: wrong, transient: false })
          return yield* runnable.run(inputs)
        }, turns.withPermits(1))
      }
    }),
    read: Effect.fnUntraced(function* (tensor) {
      const { buffer, length } = yield* find(tensor)
      const read = yield* device.guarded(`reading ${tensor}`, () =>
        download(device, device.gpu.createCommandEncoder(), [{ name: tensor, buffer, length }])
      )
      return read[tensor]!
    }, turns.withPermits(1)),
    write: Effect.fnUntraced(function* (tensor, values) {
      const { buffer, length } = yield* find(tensor)
      if (values.length !== length)
        return yield* rejected("(session)", `${tensor} has ${length} elements, ${values.length} are given`)
      yield* device.guarded(`writing ${tensor}`, async () =>
        device.gpu.queue.writeBuffer(buffer, 0, values.buffer, values.byteOffset, values.byteLength)
      )
    }, turns.withPermits(1))
  }
  return session
})
