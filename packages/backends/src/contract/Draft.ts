/** A one-operation program together with the values to run it on. */
import type { Inputs } from "../Backend.ts"
import * as Builder from "../program/Builder.ts"
import type { Operation, Shape } from "../program/Operation.ts"
import { type OperationName, operations } from "../program/operations.ts"
import { type Attributes, type Program, sizeOf, type Tensor } from "../program/Program.ts"
import { floats, integers, uniform } from "./random.ts"

export interface Case {
  readonly program: Program
  readonly inputs: Inputs
  /** Values of the session's tensors before the run. */
  readonly session: Readonly<Record<string, Float32Array>>
}

/** How a result is to be taken: as a new activation, replacing or adding to session state, or not at all. */
export type Taking = "activation" | "replace" | "add" | "drop"

export class Draft {
  readonly builder: Builder.Builder
  readonly #next: () => number
  readonly #inputs: Record<string, Float32Array | Int32Array> = {}
  readonly #session: Record<string, Float32Array> = {}
  readonly #outputs: Array<Tensor> = []

  constructor(operation: OperationName, seed: number) {
    this.builder = Builder.make(operation)
    this.#next = uniform(seed)
  }

  /** A float input with random values. */
  floats(name: string, shape: Shape, scale = 1): Tensor {
    this.#inputs[name] = floats(this.#next, sizeOf(shape), scale)
    return this.builder.input(name, shape)
  }

  /** A float input with random values of at least 0. */
  positive(name: string, shape: Shape, scale = 1): Tensor {
    this.#inputs[name] = floats(this.#next, sizeOf(shape), scale).map(Math.abs)
    return this.builder.input(name, shape)
  }

  /** An integer input with random values in [least, limit). */
  integers(name: string, shape: Shape, limit: number, least = 0): Tensor {
    this.#inputs[name] = integers(this.#next, sizeOf(shape), limit, least)
    return this.builder.input(name, shape, "i32")
  }

  /** An input with these values. */
  given(name: string, shape: Shape, values: Float32Array | Int32Array): Tensor {
    this.#inputs[name] = values
    return this.builder.input(name, shape, values instanceof Int32Array ? "i32" : "f32")
  }

  /** A session tensor with random values; non-negative ones on demand. */
  held(name: string, shape: Shape, kind: "any" | "positive" = "any"): Tensor {
    const values = floats(this.#next, sizeOf(shape))
    this.#session[name] = kind === "any" ? values : values.map(Math.abs)
    return this.builder.state(name, shape)
  }

  /** Appends the operation and takes its results as told (`activation` where nothing is told). */
  step(
    operation: OperationName,
    inputs: ReadonlyArray<Tensor | undefined>,
    attributes: Attributes = {},
    takings: ReadonlyArray<Taking> = [],
    wanted: ReadonlyArray<Shape> = []
  ): ReadonlyArray<Tensor | null> {
    const rule: Operation = operations[operation]
    const shapes = rule.infer(
      inputs.map((input) => input?.shape),
      attributes,
      wanted
    )
    if (typeof shapes === "string") throw new Error(shapes)
    const accumulate: Array<Tensor> = []
    const outputs = rule.outputs.map((output, index): Tensor | null | undefined => {
      const taking = takings[index] ?? "activation"
      if (rule.inPlace?.some((pair) => pair.output === index)) return undefined
      if (taking === "drop" && output.optional) return null
      if (taking === "replace" || (taking === "add" && rule.accumulates)) {
        const state = this.held(`${operation}.${output.name}`, shapes[index]!)
        if (taking === "add") accumulate.push(state)
        return state
      }
      return this.builder.declare(`${operation}.${output.name}`, shapes[index]!, output.type, "activation")
    })
    const written = this.builder.step(operation, inputs, attributes, { outputs, accumulate })
    for (const tensor of written) if (tensor?.role === "activation") this.#outputs.push(tensor)
    return written
  }

  done(): Case {
    return { program: this.builder.build(this.#outputs), inputs: this.#inputs, session: this.#session }
  }
}
