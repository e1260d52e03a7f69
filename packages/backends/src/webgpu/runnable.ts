/** A lowered program on a device: its buffers, its kernels compiled, and how it runs, in one submission. */
import { Effect } from "effect"
import { type EngineFailure, type Inputs, type Outputs, ProgramRejected } from "../Backend.ts"
import { sizeOf } from "../program/Program.ts"
import type { Device, Pipeline } from "./Device.ts"
import type { Dispatch, Lowered, Value } from "./Lowering.ts"
import type { Pool, Request } from "./Pool.ts"

const bytesOf = ({ length }: Pick<Value, "length">) => length * 4

/** Why a buffer of this length cannot be; undefined where it can. */
export const tooLarge = (device: Device, name: string, length: number): string | undefined =>
  bytesOf({ length }) <= device.bytes
    ? undefined
    : `${name} needs ${bytesOf({ length })} bytes, and this adapter's ${device.limit} is ${device.bytes}; take a smaller batch, context or vocabulary`

/** What a program is refused for on this device. */
export const refusal = (
  device: Device,
  { dispatches, program, tensors, uploads }: Lowered
): string | undefined => {
  const values = [
    ...tensors.values(),
    ...uploads.map(({ value }) => value),
    ...dispatches.flatMap(({ bound }) => bound.map(({ value }) => value))
  ]
  for (const { length, name } of values) {
    const large = tooLarge(device, name, length)
    if (large !== undefined) return large
  }
  const outputs = program.outputs.reduce((sum, name) => sum + sizeOf(program.tensors[name]!.shape), 0)
  const wide = dispatches.find(({ bound }) => bound.length > device.buffers)
  if (wide !== undefined)
    return `${wide.operation} reads and writes ${wide.bound.length} tensors at once, and this adapter's maxStorageBuffersPerShaderStage is ${device.buffers}`
  return tooLarge(device, `all outputs together (${program.outputs.join(", ")})`, outputs)
}

/** Values that live within a run, with the dispatches from which and to which. */
const requestsOf = ({ dispatches, program, tensors }: Lowered, known: ReadonlySet<number>) => {
  const requests = new Map<number, Request>()
  const touch = (value: Value, at: number) => {
    if (known.has(value.id)) return
    const before = requests.get(value.id)
    requests.set(value.id, { bytes: bytesOf(value), first: before?.first ?? at, last: at })
  }
  for (const [index, { bound }] of dispatches.entries()) for (const { value } of bound) touch(value, index)
  for (const name of program.outputs) touch(tensors.get(name)!, dispatches.length)
  return requests
}

interface Ready {
  readonly dispatch: Dispatch
  readonly pipeline: Pipeline
  readonly group: GPUBindGroup
}

/** A program's buffers by value. */
export interface Buffers {
  readonly of: (value: Value) => GPUBuffer
  readonly own: ReadonlyArray<GPUBuffer>
}

/** Finds a buffer for every value: the session's for what it holds, new ones for inputs, and the pool's for what lives within a run. */
const allocate = (
  device: Device,
  pool: Pool<GPUBuffer>,
  owner: object,
  lowered: Lowered,
  held: (name: string) => GPUBuffer | undefined
): Buffers => {
  const buffers = new Map<number, GPUBuffer>()
  const own: Array<GPUBuffer> = []
  const input = (value: Value) => {
    const buffer = device.gpu.createBuffer({
      label: value.name,
      size: bytesOf(value),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC
    })
    own.push(buffer)
    buffers.set(value.id, buffer)
  }
  for (const [name, value] of lowered.tensors) {
    const { role } = lowered.program.tensors[name]!
    const session = held(name)
    if (role === "input") input(value)
    else if (role !== "activation" && session !== undefined) buffers.set(value.id, session)
  }
  for (const { value } of lowered.uploads) input(value)
  const requests = requestsOf(lowered, new Set(buffers.keys()))
  const pooled = pool.assign(owner, [...requests.values()])
  for (const [index, id] of [...requests.keys()].entries()) buffers.set(id, pooled[index]!)
  return { of: (value) => buffers.get(value.id)!, own }
}

export interface Runnable {
  readonly run: (inputs: Inputs) => Effect.Effect<Outputs, EngineFailure>
}

/** Numbers of the device by name, in one copy: buffers `from` end to end. */
export const download = async (
  device: Device,
  encoder: GPUCommandEncoder,
  from: ReadonlyArray<{ readonly name: string; readonly buffer: GPUBuffer; readonly length: number }>
): Promise<Record<string, Float32Array>> => {
  const total = from.reduce((sum, one) => sum + bytesOf(one), 0)
  const copy = device.gpu.createBuffer({
    label: "copy for the host",
    size: Math.max(4, total),
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST
  })
  let offset = 0
  for (const one of from) {
    encoder.copyBufferToBuffer(one.buffer, 0, copy, offset, bytesOf(one))
    offset += bytesOf(one)
  }
  device.gpu.queue.submit([encoder.finish()])
  try {
    await copy.mapAsync(GPUMapMode.READ)
    const numbers = new Float32Array(copy.getMappedRange())
    const outputs: Record<string, Float32Array> = {}
    let at = 0
    for (const { length, name } of from) outputs[name] = numbers.slice(at, (at += length))
    return outputs
  } finally {
    copy.destroy()
  }
}

/** Sends the inputs up, runs every dispatch in one submission, and brings the outputs back. */
const runOnce = (
  device: Device,
  { program, tensors, uploads }: Lowered,
  buffers: Buffers,
  ready: ReadonlyArray<Ready>,
  inputs: Inputs
): Promise<Outputs> => {
  const { queue } = device.gpu
  const send = (value: Value, numbers: Float32Array | Int32Array) =>
    queue.writeBuffer(buffers.of(value), 0, numbers.buffer, numbers.byteOffset, numbers.byteLength)
  for (const [name, numbers] of Object.entries(inputs)) {
    const value = tensors.get(name)
    if (value !== undefined) send(value, numbers)
  }
  for (const { make, value } of uploads) send(value, make(inputs))
  const encoder = device.gpu.createCommandEncoder()
  const pass = encoder.beginComputePass()
  let current: GPUComputePipeline | undefined
  for (const { dispatch, group, pipeline } of ready) {
    if (pipeline.pipeline !== current) pass.setPipeline((current = pipeline.pipeline))
    pass.setBindGroup(0, group)
    pass.dispatchWorkgroups(...dispatch.groups)
  }
  pass.end()
  return download(
    device,
    encoder,
    program.outputs.map((name) => {
      const value = tensors.get(name)!
      return { name, buffer: buffers.of(value), length: value.length }
    })
  )
}

/** Makes a lowered program ready. Closing the scope gives its buffers back. */
export const makeRunnable = Effect.fnUntraced(function* (
  device: Device,
  pool: Pool<GPUBuffer>,
  lowered: Lowered,
  held: (name: string) => GPUBuffer | undefined
) {
  const { program } = lowered
  const refused = refusal(device, lowered)
  if (refused !== undefined)
    return yield* new ProgramRejected({ engine: "webgpu", program: program.name, why: refused })
  const owner = {}
  yield* Effect.addFinalizer(() => Effect.sync(() => pool.release(owner)))
  const buffers = yield* device.guarded(`making the buffers of program ${program.name}`, async () =>
    allocate(device, pool, owner, lowered, held)
  )
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const buffer of buffers.own) buffer.destroy()
    })
  )
  const pipelines = yield* device.guarded(`compiling program ${program.name}`, () =>
    Promise.all(lowered.dispatches.map(device.pipeline))
  )
  const ready = yield* device.guarded(`binding the tensors of program ${program.name}`, async () =>
    lowered.dispatches.map((dispatch, index): Ready => {
      const pipeline = pipelines[index]!
      const entries = dispatch.bound.map(({ value }, binding) => ({
        binding,
        resource: { buffer: buffers.of(value), size: bytesOf(value) }
      }))
      return { dispatch, pipeline, group: device.gpu.createBindGroup({ layout: pipeline.layout, entries }) }
    })
  )
  const runnable: Runnable = {
    run: (inputs) =>
      device.guarded(`running program ${program.name}`, () =>
        runOnce(device, lowered, buffers, ready, inputs)
      )
  }
  return runnable
})
