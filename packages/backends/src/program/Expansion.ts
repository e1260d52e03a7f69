/** What an operation's `expand` is given: its inputs as strided arrays, its attributes, and where its results go. */
import { type Arrays, Expander, type Sink } from "./Expander.ts"
import type { Attributes, Tensor } from "./Program.ts"
import type { StridedArray } from "./StridedArray.ts"
import * as Strided from "./StridedArray.ts"

export interface ExpandedStep {
  readonly inputs: ReadonlyArray<string>
  /** `""` for a result that nobody wants. */
  readonly outputs: ReadonlyArray<string>
  readonly attributes: Attributes
  readonly accumulate: ReadonlyArray<string>
}

export class Expansion extends Expander {
  readonly #step: ExpandedStep
  readonly #tensor: (name: string) => Tensor

  constructor(sink: Sink, step: ExpandedStep) {
    super(sink)
    this.#step = step
    this.#tensor = sink.tensor
  }

  /** Number of inputs, absent ones included. */
  get count(): number {
    return this.#step.inputs.length
  }

  /** An input that is there. */
  input(index: number): StridedArray {
    return this.optional(index) ?? this.fail(`the input ${index} is absent`)
  }

  /** An input, or undefined where it is absent. */
  optional(index: number): StridedArray | undefined {
    const name = this.#step.inputs[index] ?? ""
    return name === "" ? undefined : this.array(name)
  }

  /** A number among the attributes. */
  number(name: string): number {
    return Number(this.#step.attributes[name])
  }

  /** Whether an attribute is true. */
  flag(name: string): boolean {
    return this.#step.attributes[name] === true
  }

  /** Whether anybody wants this output. */
  wants(output: number): boolean {
    return (this.#step.outputs[output] ?? "") !== ""
  }

  /** The output as an array, where it is wanted. */
  output(output: number): StridedArray | undefined {
    const name = this.#step.outputs[output] ?? ""
    return name === "" ? undefined : Strided.whole(this.#tensor(name))
  }

  /** Gives an output its value: replaces it, adds to it where the step accumulates, does nothing where nobody wants it. */
  put(output: number, array: StridedArray): void {
    const target = this.output(output)
    if (target !== undefined)
      this.putMap(output, "x", {
        x: array.shape.join() === target.shape.join() ? array : this.reshape(array, target.shape)
      })
  }

  /** The same with the elements of a formula, for the whole output or a part of it, which `view` makes of the output. */
  putMap(
    output: number,
    formula: string,
    arrays: Arrays,
    view: (output: StridedArray) => StridedArray = (all) => all
  ): void {
    const target = this.output(output)
    if (target === undefined) return
    this.write(view(target), formula, arrays, this.#step.accumulate.includes(target.tensor))
  }
}
