/**
 * Runs lowered programs on a GPU through WebGPU. Session tensors are buffers on the device and stay there; a run sends up its
 * inputs and brings back its outputs, and nothing else crosses.
 */
import type { Inputs } from "../Backend.ts"
import type { Lowered, Value } from "./Lowering.ts"
import { asMatrix, type DeviceTensor, GPU, Input, type Kernel } from "./library.ts"
import { flat, type Results, type Runnable, type Runs } from "./Runs.ts"

const copy = "function (a) { return a[this.thread.y][this.thread.x]; }"

/** Kernels on the device, each compiled once for the shapes that it is launched with. */
interface Device {
  readonly launch: (
    source: string,
    rows: number,
    columns: number,
    values: ReadonlyArray<unknown>,
    four?: boolean
  ) => Promise<DeviceTensor>
  readonly upload: (values: Float32Array, rows: number, columns: number) => Promise<DeviceTensor>
  readonly download: (tensor: DeviceTensor, rows: number, columns: number) => Promise<Float32Array>
}

const deviceOf = (gpu: InstanceType<typeof GPU>): Device => {
  const kernels = new Map<string, Kernel>()
  const launch = async (
    source: string,
    rows: number,
    columns: number,
    values: ReadonlyArray<unknown>,
    four = false
  ): Promise<DeviceTensor> => {
    // Uploads and device buffers are different argument types to gpu.js: a kernel of one text serves one of them.
    const key = `${columns} ${rows} ${four} ${values.map((value) => value instanceof Input)} ${source}`
    let kernel = kernels.get(key)
    if (kernel === undefined) {
      const made = gpu.createKernel(source, {
        output: [four ? columns / 4 : columns, rows],
        precision: "single",
        loopMaxIterations: 2 ** 24,
        pipeline: true,
        immutable: true
      })
      const { fallbackReason } = made.kernel
      if (made.kernel.constructor.mode !== "webgpu")
        throw new Error(
          `gpu.js made a kernel for ${made.kernel.constructor.mode} instead of webgpu${fallbackReason ? `: ${fallbackReason}` : ""}`
        )
      kernels.set(key, (kernel = made))
    }
    const result = (await kernel(...values)) as DeviceTensor
    return four ? asMatrix(result, rows, columns) : result
  }
  return {
    launch,
    upload: (values, rows, columns) => launch(copy, rows, columns, [new Input(values, [columns, rows])]),
    download: async (tensor, rows, columns) => flat(await tensor.toArray(), rows * columns)
  }
}

/** How long the values of a lowered program live, and which of them outlive a run. */
interface Lifetimes {
  readonly isKept: (name: string) => boolean
  /** Session tensors and outputs with the values that they end as. */
  readonly wanted: ReadonlyArray<readonly [name: string, value: Value]>
  /** Values that a run makes. */
  readonly computed: ReadonlySet<number>
  /** By value: the launch after which nothing reads it any more. */
  readonly last: ReadonlyMap<number, number>
}

const lifetimesOf = (lowered: Lowered): Lifetimes => {
  const { launches, program, uploads } = lowered
  const isKept = (name: string) => {
    const role = program.tensors[name]?.role
    return role === "parameter" || role === "state"
  }
  const wanted = [...lowered.final].filter(([name]) => isKept(name) || program.outputs.includes(name))
  const computed = new Set([
    ...uploads.map(({ value }) => value.id),
    ...launches.map(({ result }) => result.id)
  ])
  const last = new Map<number, number>()
  for (const [index, { inputs, result }] of launches.entries())
    for (const { id } of [...inputs, result]) last.set(id, index)
  for (const [, { id }] of wanted) last.set(id, launches.length)
  return { isKept, wanted, computed, last }
}

/** Runs a lowered program once. What it made is given back, unless it becomes the session's. */
const runOnce = async (
  { download, launch, upload }: Device,
  lowered: Lowered,
  { computed, isKept, last, wanted }: Lifetimes,
  held: (name: string) => DeviceTensor,
  inputs: Inputs,
  signal: AbortSignal
): Promise<Results<DeviceTensor>> => {
  const { launches, program, uploads } = lowered
  const values = new Map<number, DeviceTensor>()
  // What this run made and must give back, unless it becomes the session's.
  const own = new Map<number, DeviceTensor>()
  const make = async (value: Value, tensor: Promise<DeviceTensor>) => {
    const made = await tensor
    values.set(value.id, made)
    own.set(value.id, made)
  }
  const dropped = (id: number) => {
    own.get(id)?.delete()
    own.delete(id)
  }
  try {
    for (const [name, value] of lowered.given) {
      const data = inputs[name]
      if (data instanceof Float32Array) await make(value, upload(data, value.rows, value.columns))
      else values.set(value.id, held(name))
    }
    for (const { make: compute, value } of uploads)
      await make(value, upload(compute(inputs), value.rows, value.columns))
    for (const [index, { four, inputs, result, source }] of launches.entries()) {
      if (signal.aborted) throw new Error("the run was interrupted")
      await make(
        result,
        launch(
          source,
          result.rows,
          result.columns,
          inputs.map((input) => values.get(input.id)),
          four
        )
      )
      for (const { id } of [...inputs, result]) if (last.get(id) === index) dropped(id)
    }
    const outputs: Record<string, Float32Array> = {}
    for (const [name, { columns, id, rows }] of wanted)
      if (program.outputs.includes(name)) outputs[name] = await download(values.get(id)!, rows, columns)
    const changed = new Map<string, DeviceTensor>()
    for (const [name, { columns, id, rows }] of wanted) {
      if (!isKept(name) || !computed.has(id)) continue
      const mine = own.get(id)
      // A value that two session tensors have become is the second one's copy.
      changed.set(name, mine ?? (await launch(copy, rows, columns, [values.get(id)])))
      own.delete(id)
    }
    return { changed, outputs }
  } finally {
    for (const tensor of own.values()) tensor.delete()
  }
}

const runnable = (device: Device, lowered: Lowered): Runnable<DeviceTensor> => {
  const lifetimes = lifetimesOf(lowered)
  let tail: Promise<unknown> = Promise.resolve()
  return {
    run: (...args) => {
      const running = runOnce(device, lowered, lifetimes, ...args)
      tail = running.catch(() => {})
      return running
    },
    // Kernels belong to the session and its other programs; an interrupted run must still have let go of its buffers.
    destroy: async () => {
      await tail
    }
  }
}

export const deviceRuns = (): Runs<DeviceTensor> => {
  const gpu = new GPU({ mode: "webgpu" })
  const device = deviceOf(gpu)
  return {
    dialect: { flat: true, four: "columns" },
    keep: device.upload,
    read: async (tensor, rows, columns) => {
      // Read through a kernel of the session's own, whatever made the tensor.
      const own = await device.launch(copy, rows, columns, [tensor])
      const values = await device.download(own, rows, columns)
      own.delete()
      return values
    },
    release: (tensor) => tensor.delete(),
    prepare: (lowered) => runnable(device, lowered),
    close: () => gpu.destroy()
  }
}
