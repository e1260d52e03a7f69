/** What the engine asks of a place to run on: `hostRuns` keeps tensors in the process, `deviceRuns` on the GPU. */
import type { Inputs } from "../Backend.ts"
import type { Dialect, Lowered } from "./Lowering.ts"

export interface Results<Tensor> {
  /** New values of the session tensors that the program wrote. */
  readonly changed: ReadonlyMap<string, Tensor>
  readonly outputs: Record<string, Float32Array>
}

/** A lowered program, ready to run again and again. */
export interface Runnable<Tensor> {
  readonly run: (
    held: (name: string) => Tensor,
    inputs: Inputs,
    signal: AbortSignal
  ) => Promise<Results<Tensor>>
  readonly destroy: () => Promise<void>
}

export interface Runs<Tensor> {
  readonly dialect: Dialect
  /** Keeps a copy of these values. */
  readonly keep: (values: Float32Array, rows: number, columns: number) => Promise<Tensor>
  readonly read: (tensor: Tensor, rows: number, columns: number) => Promise<Float32Array>
  readonly release: (tensor: Tensor) => void
  readonly prepare: (lowered: Lowered) => Runnable<Tensor>
  readonly close: () => Promise<void>
}

/** Values in row-major order from whatever nesting gpu.js gives. */
export const flat = (result: unknown, length: number): Float32Array => {
  const values = new Float32Array(length)
  let at = 0
  const take = (part: unknown): void => {
    if (part instanceof Float32Array) {
      values.set(part, at)
      at += part.length
    } else if (typeof part === "number") values[at++] = part
    else if (Array.isArray(part)) for (const one of part) take(one)
  }
  take(result)
  if (at !== length) throw new Error(`gpu.js gave ${at} values instead of ${length}`)
  return values
}
