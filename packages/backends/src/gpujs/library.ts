/**
 * The part of gpu.js that this engine uses, with types that say what it does: the library's own describe kernels over nested
 * arrays and know neither flat float input nor results that stay on the device.
 */
import gpujs from "gpu.js"

/** A value inside a pipeline, or a result that lives on the device. */
export type Handle = object

/** A result that lives on the device until it is deleted. */
export interface DeviceTensor {
  readonly constructor: Function
  readonly buffer: object
  readonly context: object
  readonly kernel: object
  readonly toArray: () => Promise<unknown>
  /** The same buffer once more, which lives until both are deleted. */
  readonly clone: () => DeviceTensor
  readonly delete: () => void
}

/** The same buffer seen as a plain matrix of numbers. The first tensor is deleted; the buffer lives on in the second. */
export const asMatrix = (tensor: DeviceTensor, rows: number, columns: number): DeviceTensor => {
  const { buffer, context, kernel } = tensor
  const seen: DeviceTensor = Reflect.construct(tensor.constructor, [
    { buffer, context, kernel, output: [columns, rows], componentCount: 1 }
  ])
  tensor.delete()
  return seen
}

export type Kernel = (...values: ReadonlyArray<unknown>) => unknown

export interface Pipeline {
  (...values: ReadonlyArray<unknown>): Promise<ReadonlyArray<unknown>>
  /** Mode of the kernels that ran. */
  readonly backend: string | null
  readonly executorKind: string
  readonly fallbackReason: string | null
  readonly destroy: () => Promise<void>
  /** What is behind the function. */
  readonly pipeline: object
}

interface Gpu {
  readonly createKernel: (
    source: string,
    settings: {
      readonly output: ReadonlyArray<number>
      readonly precision: "single"
      readonly loopMaxIterations: number
      readonly pipeline?: boolean
      readonly immutable?: boolean
    }
  ) => Kernel & {
    readonly kernel: {
      readonly constructor: { readonly mode: string }
      readonly fallbackReason?: string | null
    }
  }
  readonly createPipeline: (
    orchestrate: (...handles: ReadonlyArray<Handle>) => ReadonlyArray<Handle>
  ) => Pipeline
  readonly destroy: () => Promise<void>
}

interface Library {
  readonly GPU: {
    new (settings: { readonly mode: string }): Gpu
    readonly isWebGPUAvailable: () => Promise<boolean>
    readonly isWebAssemblySupported: boolean
  }
  readonly Input: new (values: Float32Array, size: readonly [columns: number, rows: number]) => object
}

export const { GPU, Input } = gpujs as unknown as Library
