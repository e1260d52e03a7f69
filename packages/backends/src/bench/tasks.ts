/** The programs that engines are measured with, and what goes into each run of them. */
import type { EngineName, Inputs, Precision } from "../Backend.ts"
import { make } from "../program/Builder.ts"
import { type Program, sizeOf } from "../program/Program.ts"
import { type GptShape, generateProgram, trainProgram } from "./gpt.ts"

export const whats = ["train-step", "matmul", "generate"] as const
export type What = (typeof whats)[number]

/** One measurement to be made. */
export interface Planned {
  readonly engine: EngineName
  readonly precision: Precision
  readonly threads: number
  readonly what: What
}

export interface Task {
  readonly program: Program
  readonly inputs: (step: number) => Inputs
  /** Tokens of one run, 0 when it has none. */
  readonly tokens: number
  /** Times the measured thing happens in one run. */
  readonly repeats: number
}

const scattered = (length: number, limit: number): Int32Array =>
  Int32Array.from({ length }, (_, i) => (i * 2_654_435_761) % limit)

export const tasks: Readonly<Record<What, (shape: GptShape) => Task>> = {
  "train-step": (shape) => {
    const tokens = shape.batch * shape.time
    return {
      program: trainProgram(shape),
      tokens,
      repeats: 1,
      inputs: (step) => ({
        tokens: scattered(tokens, shape.vocabulary),
        targets: scattered(tokens, shape.vocabulary - 1),
        offset: Int32Array.of(0),
        ...(shape.dropout > 0 ? { seed: Int32Array.of(step) } : {}),
        lossGradient: Float32Array.of(1),
        learningRate: Float32Array.of(1e-4),
        step: Int32Array.of(step + 1)
      })
    }
  },
  matmul: (shape) => {
    const b = make("matmul")
    const x = b.input("x", [shape.batch * shape.time, shape.width])
    const repeats = 8
    // Another weight and a held result for each: what nobody reads, or has been computed already, an engine may leave out.
    for (let repeat = 0; repeat < repeats; repeat++) {
      const weight = b.parameter(`weight.${repeat}`, [3 * shape.width, shape.width])
      const y = b.state(`y.${repeat}`, [shape.batch * shape.time, 3 * shape.width])
      b.step("linear", [x, weight, undefined], {}, { outputs: [y] })
    }
    const values = Float32Array.from({ length: sizeOf(x.shape) }, (_, i) => ((i * 31) % 101) / 101 - 0.5)
    return { program: b.build([]), tokens: 0, repeats, inputs: () => ({ x: values }) }
  },
  generate: (shape) => ({
    program: generateProgram({ ...shape, batch: 1 }, 1),
    tokens: 1,
    repeats: 1,
    inputs: (step) => ({
      tokens: Int32Array.of((step * 37) % shape.vocabulary),
      offset: Int32Array.of(step % shape.time)
    })
  })
}
