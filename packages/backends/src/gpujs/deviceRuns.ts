/**
 * Runs lowered programs on a GPU through WebGPU. Session tensors are buffers on the device and stay there; a run sends up its
 * inputs and brings back its outputs, and nothing else crosses.
 */
import type { Inputs } from "../Backend.ts"
import { firstRow, type Value, wholeOf } from "./Launch.ts"
import type { Given, Lowered } from "./Lowering.ts"
import { asMatrix, type DeviceTensor, GPU, Input, type Kernel } from "./library.ts"
import { flat, type Results, type Runnable, type Runs } from "./Runs.ts"
import { argumentNames } from "./readArguments.ts"

/** A session's tensor: rows of a matrix on the device, which may hold others too. */
interface Held {
  readonly tensor: DeviceTensor
  readonly row: number
}

/** Puts rows of as many matrices, from these on, below one another. */
const copy = (from: ReadonlyArray<number>, rows: number): string => {
  const read = (index: number) =>
    `${argumentNames[index]}[this.thread.y + ${from[index]! - index * rows}][this.thread.x]`
  const others = from
    .slice(1)
    .map((_, at) => `if (this.thread.y >= ${(at + 1) * rows}) { value = ${read(at + 1)}; }`)
  return `function (${[...argumentNames.slice(0, from.length)].join(", ")}) {
let value = ${read(0)};
${others.join("\n")}
return value;
}`
}

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
  /** Session tensors of this size below one another in a matrix of their own. */
  readonly below: (held: ReadonlyArray<Held>, rows: number, columns: number) => Promise<DeviceTensor>
  readonly download: (tensor: DeviceTensor, rows: number, columns: number) => Promise<Float32Array>
  /** The same of rows of a matrix, and through a kernel of the session's own, from any kernel. */
  readonly read: (held: Held, rows: number, columns: number) => Promise<Float32Array>
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
  const below: Device["below"] = (held, rows, columns) =>
    launch(
      copy(
        held.map(({ row }) => row),
        rows
      ),
      rows * held.length,
      columns,
      held.map(({ tensor }) => tensor)
    )
  return {
    launch,
    below,
    upload: (values, rows, columns) =>
      launch(copy([0], rows), rows, columns, [new Input(values, [columns, rows])]),
    download: async (tensor, rows, columns) => flat(await tensor.toArray(), rows * columns),
    read: async (held, rows, columns) => {
      const own = await below([held], rows, columns)
      const values = flat(await own.toArray(), rows * columns)
      own.delete()
      return values
    }
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
  for (const [, value] of wanted) last.set(wholeOf(value).id, launches.length)
  return { isKept, wanted, computed, last }
}

/** A matrix on the device that consists of session tensors from the top, if there is one. Below them it may have more. */
const togetherOf = (held: ReadonlyArray<Held>, { rows }: Value): DeviceTensor | undefined => {
  const { tensor } = held[0]!
  const isTogether = held.every(
    (one, index) => one.tensor.buffer === tensor.buffer && one.row === index * (rows / held.length)
  )
  return isTogether ? tensor : undefined
}

/** Runs a lowered program once. What it made is given back, unless it becomes the session's. */
const runOnce = async (
  { below, download, launch, read, upload }: Device,
  lowered: Lowered,
  { computed, isKept, last, wanted }: Lifetimes,
  held: (name: string) => Held,
  inputs: Inputs,
  signal: AbortSignal
): Promise<Results<Held>> => {
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
    const take = async ({ names, value }: Given) => {
      const data = inputs[names[0]!]
      if (data instanceof Float32Array) return make(value, upload(data, value.rows, value.columns))
      const tensors = names.map(held)
      const together = togetherOf(tensors, value)
      if (together === undefined) return make(value, below(tensors, value.rows / names.length, value.columns))
      values.set(value.id, together)
    }
    for (const given of lowered.given) await take(given)
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
    const changed = new Map<string, Held>()
    for (const [name, value] of wanted) {
      const whole = wholeOf(value)
      const one = { tensor: values.get(whole.id)!, row: firstRow(value) }
      const isMade = computed.has(whole.id)
      if (program.outputs.includes(name))
        outputs[name] =
          isMade && whole === value
            ? await download(one.tensor, value.rows, value.columns)
            : await read(one, value.rows, value.columns)
      if (isKept(name) && isMade) changed.set(name, one)
    }
    // From here on nothing fails: the session has these until it lets go of them.
    for (const [name, { row, tensor }] of changed) changed.set(name, { tensor: tensor.clone(), row })
    return { changed, outputs }
  } finally {
    for (const tensor of own.values()) tensor.delete()
  }
}

const runnable = (device: Device, lowered: Lowered): Runnable<Held> => {
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

export const deviceRuns = (): Runs<Held> => {
  const gpu = new GPU({ mode: "webgpu" })
  const device = deviceOf(gpu)
  return {
    dialect: { flat: true, four: "columns" },
    keep: async (values, rows, columns) => ({ tensor: await device.upload(values, rows, columns), row: 0 }),
    read: device.read,
    release: ({ tensor }) => tensor.delete(),
    prepare: (lowered) => runnable(device, lowered),
    close: () => gpu.destroy()
  }
}
