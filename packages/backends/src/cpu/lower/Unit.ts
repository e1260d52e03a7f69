/**
 * What a step of a program becomes: phases, one after the other, each made of works whose tasks may all run at the same time.
 *
 * A unit is one step, or a few neighbouring steps that are computed together.
 */
import type { Program, Shape, Step } from "../../program/Program.ts"
import type { KernelName } from "../kernels.ts"

/** A kernel, its arguments as 32-bit words, and how many tasks it is cut into. */
export interface Work {
  readonly kernel: KernelName
  readonly arguments: ReadonlyArray<number>
  readonly tasks: number
  /** Index of the step it computes, for the profile. */
  readonly step: number
}

export type Phase = ReadonlyArray<Work>

export interface Lowered {
  readonly phases: ReadonlyArray<Phase>
  /** Bytes of memory of its own that each worker needs. */
  readonly workerBytes: number
}

/** Hands out a unit's scratch memory. The first pass, which only measures, has base 0. */
export class Scratch {
  readonly #base: number
  #used = 0

  constructor(base: number) {
    this.#base = base
  }

  take(bytes: number): number {
    const address = this.#base + this.#used
    this.#used += Math.ceil(bytes / 64) * 64
    return address
  }

  get bytes(): number {
    return this.#used
  }
}

/** Where everything is when a unit is lowered. */
export interface Place {
  readonly program: Program
  /** Address of a tensor; 0 for an absent one. */
  readonly address: (tensor: string) => number
  /** Address of a parameter's packed copy in 8 bits; 0 where there is none. */
  readonly int8: (tensor: string) => number
  readonly scratch: Scratch
  readonly threads: number
}

/** One step with its arguments at hand, by position. */
export interface StepView {
  readonly index: number
  /** Address of an input, 0 when absent. */
  readonly input: (position: number) => number
  /** Address of an output, 0 when it is not wanted. */
  readonly output: (position: number) => number
  readonly shape: (position: number) => Shape
  readonly outputShape: (position: number) => Shape
  readonly attribute: (name: string) => number
  /** Whether an output is added to what it holds. */
  readonly adds: (position: number) => boolean
  /** The same as a kernel's flag: 1 or 0. */
  readonly flag: (position: number) => number
}

export const viewOf = (place: Place, index: number): StepView => {
  const step: Step = place.program.steps[index]!
  const shape = (name: string | undefined): Shape => place.program.tensors[name ?? ""]?.shape ?? []
  const adds = (position: number) => step.accumulate.includes(step.outputs[position] ?? "")
  return {
    index,
    input: (position) => place.address(step.inputs[position] ?? ""),
    output: (position) => place.address(step.outputs[position] ?? ""),
    shape: (position) => shape(step.inputs[position]),
    outputShape: (position) => shape(step.outputs[position]),
    attribute: (name) => Number(step.attributes[name]),
    adds,
    flag: (position) => (adds(position) ? 1 : 0)
  }
}

/** Words from one text's offset to the next one's: 0 where all share one. */
export const wordsOf = (offset: Shape): number => (offset[0] === 1 ? 0 : 1)

const words = new DataView(new ArrayBuffer(8))

/** The bits of a float32, as an argument. */
export const f32 = (value: number): number => {
  words.setFloat32(0, value, true)
  return words.getInt32(0, true)
}

/** The bits of a float64, as two arguments. */
export const f64 = (value: number): ReadonlyArray<number> => {
  words.setFloat64(0, value, true)
  return [words.getInt32(0, true), words.getInt32(4, true)]
}
