/**
 * Runs lowered programs where there is no device: one gpu.js pipeline for the whole program, its tensors in the process's own
 * memory. In webasm mode gpu.js fuses the pipeline over one WebAssembly memory, with a pool of workers.
 */
import { firstRow, type Launch, type Value, wholeOf } from "./Launch.ts"
import type { Dialect, Lowered } from "./Lowering.ts"
import { GPU, type Handle, Input, type Kernel, type Pipeline } from "./library.ts"
import { flat, type Runnable, type Runs } from "./Runs.ts"
import { feedFours } from "./wide.ts"

/** Makes kernels, each once for the shapes that it is launched with. */
const kernelMaker = (gpu: InstanceType<typeof GPU>) => {
  const kernels = new Map<string, Kernel>()
  /** Those that give four outputs a thread. */
  const fours = new Set<Kernel>()
  const kernelFor = ({ four, result: { columns, rows }, source }: Launch): Kernel => {
    const key = `${columns} ${rows} ${four} ${source}`
    const known = kernels.get(key)
    if (known !== undefined) return known
    const kernel = gpu.createKernel(source, {
      output: [four ? columns / 4 : columns, rows],
      precision: "single",
      loopMaxIterations: 2 ** 24
    })
    kernels.set(key, kernel)
    if (four) fours.add(kernel)
    return kernel
  }
  return { kernelFor, fours }
}

/** A fall from the asked-for way of running to a slower one must not go unnoticed. */
const checkMode = (pipeline: Pipeline, mode: "webasm" | "cpu"): void => {
  if (pipeline.backend !== mode)
    throw new Error(`gpu.js ran in mode ${pipeline.backend} instead of ${mode}: ${pipeline.fallbackReason}`)
  if (mode === "webasm" && !pipeline.executorKind.startsWith("fused"))
    throw new Error(`gpu.js did not fuse the program: ${pipeline.fallbackReason}`)
}

/** The numbers of arrays that are below one another. Where they were made together they are still so, and nothing is copied. */
const below = (arrays: ReadonlyArray<Float32Array>): Float32Array => {
  const first = arrays[0]!
  if (arrays.length === 1) return first
  const starts = arrays.map((_, index) => arrays.slice(0, index).reduce((sum, { length }) => sum + length, 0))
  const total = starts.at(-1)! + arrays.at(-1)!.length
  const isTogether = arrays.every(
    ({ buffer, byteOffset }, index) =>
      buffer === first.buffer && byteOffset === first.byteOffset + 4 * starts[index]!
  )
  if (isTogether) return new Float32Array(first.buffer, first.byteOffset, total)
  const all = new Float32Array(total)
  for (const [index, array] of arrays.entries()) all.set(array, starts[index]!)
  return all
}

const runnable = (lowered: Lowered, mode: "webasm" | "cpu"): Runnable<Float32Array> => {
  const gpu = new GPU({ mode })
  const { fours, kernelFor } = kernelMaker(gpu)

  const read = new Set(lowered.launches.flatMap((launch) => launch.inputs.map((value) => value.id)))
  const given = lowered.given.filter(({ value }) => read.has(value.id))
  const computed = new Map(lowered.launches.map(({ result }) => [result.id, result]))
  // Every computed value that is wanted afterwards: outputs, and what session tensors have become.
  const wanted = [...lowered.final].filter(([name, value]) => {
    const role = lowered.program.tensors[name]?.role
    const kept = role === "parameter" || role === "state" || lowered.program.outputs.includes(name)
    return kept && computed.has(wholeOf(value).id)
  })
  const results = [...new Map(wanted.map(([, value]) => [wholeOf(value).id, wholeOf(value)])).values()]

  const orchestrate = (...handles: ReadonlyArray<Handle>): ReadonlyArray<Handle> => {
    const values = new Map<number, Handle>()
    const places = [...given.map(({ value }) => value), ...lowered.uploads.map(({ value }) => value)]
    for (const [index, { id }] of places.entries()) values.set(id, handles[index]!)
    for (const launch of lowered.launches)
      values.set(
        launch.result.id,
        kernelFor(launch)(...launch.inputs.map((input) => values.get(input.id))) as Handle
      )
    return results.map(({ id }) => values.get(id)!)
  }
  // gpu.js hands out as many handles as the function declares parameters.
  Object.defineProperty(orchestrate, "length", { value: given.length + lowered.uploads.length })
  const pipeline = gpu.createPipeline(orchestrate)
  if (lowered.launches.some((launch) => launch.four)) feedFours(pipeline, fours)

  return {
    run: async (held, inputs) => {
      const tensor = (name: string): Float32Array => {
        const value = inputs[name]
        return value instanceof Float32Array ? value : held(name)
      }
      const asMatrix = (values: Float32Array, { columns, rows }: Value) => new Input(values, [columns, rows])
      const made =
        results.length === 0
          ? []
          : await pipeline(
              ...given.map(({ names, value }) => asMatrix(below(names.map(tensor)), value)),
              ...lowered.uploads.map(({ make, value }) => asMatrix(make(inputs), value))
            )
      if (results.length > 0) checkMode(pipeline, mode)
      const numbers = new Map(
        results.map(({ columns, id, rows }, index) => [id, flat(made[index], rows * columns)])
      )
      const changed = new Map<string, Float32Array>()
      const outputs: Record<string, Float32Array> = {}
      for (const [name, value] of wanted) {
        const first = firstRow(value) * value.columns
        const all = numbers.get(wholeOf(value).id)!
        const values = all.subarray(first, first + value.rows * value.columns)
        const role = lowered.program.tensors[name]?.role
        if (role === "parameter" || role === "state") changed.set(name, values)
        if (lowered.program.outputs.includes(name)) outputs[name] = values.slice()
      }
      for (const name of lowered.program.outputs) outputs[name] ??= tensor(name).slice()
      return { changed, outputs }
    },
    destroy: async () => {
      await pipeline.destroy()
      await gpu.destroy()
    }
  }
}

/** What kernels may do: four rows a thread in WebAssembly, nothing special in plain JavaScript or when `plain` is asked for. */
const dialects: Readonly<Record<"webasm" | "cpu", Dialect>> = {
  webasm: { flat: true, four: "rows" },
  cpu: { flat: false, four: "no" }
}

export const hostRuns = (mode: "webasm" | "cpu", plain = false): Runs<Float32Array> => ({
  dialect: plain ? dialects.cpu : dialects[mode],
  keep: async (values) => values.slice(),
  read: async (tensor) => tensor.slice(),
  release: () => {},
  prepare: (lowered) => runnable(lowered, mode),
  close: async () => {}
})
