/** A WebGPU device: its limits, the kernels that it has compiled, and its buffers. */
import { Effect, type Scope } from "effect"
import { EngineFailure } from "../Backend.ts"
import type { Found } from "./adapter.ts"
import type { Dispatch } from "./KernelText.ts"

const engine = "webgpu"

/** A kernel ready to run on buffers. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
}

export interface Device {
  readonly gpu: GPUDevice
  /** Most bytes of one buffer that a kernel sees, and the limit's name. */
  readonly bytes: number
  readonly limit: string
  /** Most buffers that a kernel sees. */
  readonly buffers: number
  /** Compiles a kernel, once for each text. */
  readonly pipeline: (dispatch: Dispatch) => Promise<Pipeline>
  /** Runs what makes errors of WebGPU; they become a failure. */
  readonly guarded: <A>(
    what: string,
    body: (signal: AbortSignal) => Promise<A>
  ) => Effect.Effect<A, EngineFailure>
}

const failure = (why: string, more: { readonly transient?: boolean; readonly memory?: boolean } = {}) =>
  new EngineFailure({
    engine,
    why,
    transient: more.transient ?? false,
    ...(more.memory ? { memory: true } : {})
  })

const sentence = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).trim().split("\n")[0]!.replace(/\.$/, "")

/** Kernels by their text. */
const pipelinesOf = (gpu: GPUDevice): Device["pipeline"] => {
  const layouts = new Map<string, GPUBindGroupLayout>()
  const layoutOf = (kinds: ReadonlyArray<GPUBufferBindingType>) => {
    const key = kinds.join()
    const known = layouts.get(key)
    if (known !== undefined) return known
    const layout = gpu.createBindGroupLayout({
      entries: kinds.map((type, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type }
      }))
    })
    layouts.set(key, layout)
    return layout
  }
  const pipelines = new Map<string, Promise<Pipeline>>()
  return ({ bound, code }) => {
    const known = pipelines.get(code)
    if (known !== undefined) return known
    const layout = layoutOf(bound.map(({ writes }) => (writes ? "storage" : "read-only-storage")))
    const compiled = gpu
      .createComputePipelineAsync({
        layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: gpu.createShaderModule({ code }), entryPoint: "main" }
      })
      .then((pipeline) => ({ pipeline, layout }))
    pipelines.set(code, compiled)
    return compiled
  }
}

const errorKinds = ["validation", "out-of-memory", "internal"] as const

/** Runs a body and gives the first error that WebGPU reports of what it queued. */
const watched = async <A>(gpu: GPUDevice, body: () => Promise<A>) => {
  for (const kind of errorKinds) gpu.pushErrorScope(kind)
  const running = body()
  // Scopes hold what was called before the body first waited.
  const errors = await Promise.all(errorKinds.toReversed().map(() => gpu.popErrorScope()))
  const at = errors.findIndex((error) => error !== null)
  const settled = await running.then(
    (value) => ({ value }),
    (cause: unknown) => ({ cause })
  )
  if (at !== -1)
    return { error: errors[at]!.message, memory: errorKinds.toReversed()[at] === "out-of-memory" }
  return "cause" in settled ? { error: sentence(settled.cause), memory: false } : settled
}

/**
 * Waits for what a device runs and destroys it. The library looks for events as long as there is something to wait for, and must not be
 * collected before it has looked for the last time.
 */
const close = async (gpu: GPUDevice, library: GPU): Promise<void> => {
  await gpu.queue.onSubmittedWorkDone().catch(() => {})
  gpu.destroy()
  await gpu.lost
  await new Promise((resolve) => setImmediate(resolve, library))
}

/** What fails because the device is lost may fail before the news of the loss: by so much. */
const newsMilliseconds = 100

/** Why a device is lost; undefined where it is not, or was destroyed here. */
const lossOf = async (gpu: GPUDevice, name: string): Promise<string | undefined> => {
  const { message, reason } = await gpu.lost
  return reason === "destroyed" ? undefined : sentence(message) || `${name} gives no reason`
}

/** Opens the adapter's device. Closing the scope waits for what it runs and gives everything back. */
export const openDevice = ({
  adapter,
  library,
  name
}: Found): Effect.Effect<Device, EngineFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage } = adapter.limits
    const gpu = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () =>
          adapter.requestDevice({
            requiredLimits: { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage }
          }),
        catch: (cause) => failure(`${name} gives no device: ${sentence(cause)}`)
      }),
      (gpu) => Effect.promise(() => close(gpu, library))
    )
    let lost: string | undefined
    const loss = lossOf(gpu, name).then((why) => (lost = why))
    const news = () => Promise.race([loss, new Promise((resolve) => setTimeout(resolve, newsMilliseconds))])
    const guarded: Device["guarded"] = (what, body) =>
      Effect.gen(function* () {
        const result = yield* Effect.promise((signal) =>
          watched(gpu, () => body(signal)).catch((cause) => ({ error: sentence(cause), memory: false }))
        )
        if ("error" in result) yield* Effect.promise(news)
        if (lost !== undefined)
          return yield* failure(`the device was lost while ${what}: ${lost}`, { transient: true })
        if ("error" in result)
          return yield* failure(
            result.memory ? `${name} has no memory left for ${what}` : `${what}: ${sentence(result.error)}`,
            { memory: result.memory }
          )
        return result.value
      })
    const bytes = Math.min(maxBufferSize, maxStorageBufferBindingSize)
    return {
      gpu,
      bytes,
      limit: bytes === maxStorageBufferBindingSize ? "maxStorageBufferBindingSize" : "maxBufferSize",
      buffers: maxStorageBuffersPerShaderStage,
      pipeline: pipelinesOf(gpu),
      guarded
    }
  })
