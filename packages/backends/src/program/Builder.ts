/**
 * Writes programs. One method an operation; shapes are checked at once, and a mismatch throws a `ProgramError` that names the
 * step. Activations name themselves after where they are: `h.0.attention.y`.
 *
 * @example
 * ```ts
 * const b = Builder.make("evaluate")
 * const x = b.input("x", [4, 8])
 * const block = b.within("h.0")
 * const y = block.linear(x, { weight: block.parameter("mlp.weight", [16, 8]) }, "mlp")
 * const program = b.build([y])   // y is named "h.0.mlp.y"
 * ```
 */
import { Expander } from "./Expander.ts"
import type { Operation, Shape } from "./Operation.ts"
import { type OperationName, operations } from "./operations.ts"
import type { Attributes, DataType, Program, Role, Step, Tensor } from "./Program.ts"
import { ProgramError } from "./ProgramError.ts"
import { verify } from "./verify.ts"

/** Where a step writes, when not into new activations, and which of its outputs it adds to. */
export interface StepOptions {
  /** Scope of the step: its outputs are called `<name>.<output>`. */
  readonly name?: string | undefined
  /**
   * By output index: an existing tensor to write into, or null for a result that nobody wants. Absent entries become new
   * activations.
   */
  readonly outputs?: ReadonlyArray<Tensor | null | undefined> | undefined
  readonly accumulate?: ReadonlyArray<Tensor> | undefined
}

/** A program being written. Every method that declares or appends throws `ProgramError` where that cannot be. */
export class Builder {
  readonly #program: string
  readonly #prefix: string
  readonly #tensors: Record<string, Tensor>
  readonly #steps: Array<Step>

  private constructor(program: string, prefix: string, tensors: Record<string, Tensor>, steps: Array<Step>) {
    this.#program = program
    this.#prefix = prefix
    this.#tensors = tensors
    this.#steps = steps
  }

  /** Starts an empty program. */
  static make(program: string): Builder {
    return new Builder(program, "", {}, [])
  }

  /** Goes on with an existing program. */
  static extend(program: Program, name = program.name): Builder {
    return new Builder(name, "", { ...program.tensors }, [...program.steps])
  }

  /** The same program, with `scope.` before every name that is declared through the result. */
  within(scope: string): Builder {
    return new Builder(this.#program, `${this.#prefix}${scope}.`, this.#tensors, this.#steps)
  }

  /** A trained tensor that the session holds. */
  parameter(name: string, shape: Shape): Tensor {
    return this.declare(name, shape, "f32", "parameter")
  }

  /** A tensor that the session holds beside the parameters, such as a key-value cache. */
  state(name: string, shape: Shape): Tensor {
    return this.declare(name, shape, "f32", "state")
  }

  /** A tensor that every run is given anew. */
  input(name: string, shape: Shape, type: DataType = "f32"): Tensor {
    return this.declare(name, shape, type, "input")
  }

  /** Declares a tensor of any role; declaring the same thing twice is the same tensor. */
  declare(name: string, shape: Shape, type: DataType, role: Role): Tensor {
    const full = this.#prefix + name
    const before = this.#tensors[full]
    if (before === undefined) return (this.#tensors[full] = { name: full, shape: [...shape], type, role })
    if (before.role === role && before.type === type && before.shape.join() === shape.join()) return before
    throw this.#error(
      `${full} is declared twice: as ${before.role} [${before.shape.join(", ")}] and as ${role} [${shape.join(", ")}]`
    )
  }

  /** A tensor declared before, by its full name. */
  tensor(name: string): Tensor {
    const tensor = this.#tensors[name]
    if (tensor === undefined) throw this.#error(`there is no tensor ${name}`)
    return tensor
  }

  has(name: string): boolean {
    return this.#tensors[name] !== undefined
  }

  /** Appends a step of any operation and gives its outputs, null where `options.outputs` says that nobody wants one. */
  step(
    operation: OperationName,
    inputs: ReadonlyArray<Tensor | undefined>,
    attributes: Attributes = {},
    options: StepOptions = {}
  ): ReadonlyArray<Tensor | null> {
    const rule = operations[operation]
    const scope = this.#free(
      options.name ?? operation,
      rule.outputs.map((output) => output.name)
    )
    const wanted = rule.outputs.map((_, index) => options.outputs?.[index] ?? undefined)
    for (const input of inputs)
      if (input !== undefined && this.#tensors[input.name] === undefined)
        throw this.#error(`${scope} reads ${input.name}, which this program does not declare`)
    const shapes = rule.infer(
      inputs.map((input) => input?.shape),
      attributes,
      wanted.map((tensor) => tensor?.shape)
    )
    if (typeof shapes === "string") throw this.#error(`${scope} (${operation}): ${shapes}`)
    const outputs = rule.outputs.map((output, index): Tensor | null => {
      const given = options.outputs?.[index]
      if (given !== undefined) return given
      const pair = rule.inPlace?.find((pair) => pair.output === index)
      if (pair !== undefined) return inputs[pair.input]!
      return (this.#tensors[`${scope}.${output.name}`] = {
        name: `${scope}.${output.name}`,
        shape: [...shapes[index]!],
        type: output.type,
        role: "activation"
      })
    })
    this.#steps.push({
      operation,
      inputs: inputs.map((input) => input?.name ?? ""),
      outputs: outputs.map((output) => output?.name ?? ""),
      attributes,
      accumulate: (options.accumulate ?? []).map((tensor) => tensor.name)
    })
    return outputs
  }

  /**
   * Appends a step by the names of its arguments and gives its first result: `b.apply("rmsNorm", { x, gain }, { epsilon })`. Optional
   * arguments may be left out.
   */
  apply(
    operation: OperationName,
    inputs: Readonly<Record<string, Tensor | undefined>>,
    attributes: Attributes = {},
    name?: string
  ): Tensor {
    return Object.values(this.applyAll(operation, inputs, attributes, name))[0]!
  }

  /** The same; gives all results by name. */
  applyAll(
    operation: OperationName,
    inputs: Readonly<Record<string, Tensor | undefined>>,
    attributes: Attributes = {},
    name?: string
  ): Readonly<Record<string, Tensor>> {
    const rule: Operation = operations[operation]
    const unknown = Object.keys(inputs).find((one) => !rule.inputs.some((argument) => argument.name === one))
    if (unknown !== undefined)
      throw this.#error(`${operation} takes ${rule.inputs.map((one) => one.name).join(", ")}, not ${unknown}`)
    const outputs = this.step(
      operation,
      rule.inputs.map((argument) => inputs[argument.name]),
      attributes,
      { name }
    )
    return Object.fromEntries(rule.outputs.map((output, index) => [output.name, outputs[index]!]))
  }

  /** Appends a step as it is; `build` checks it. */
  append(step: Step): void {
    this.#steps.push(step)
  }

  /** Appends primitives, written with strided arrays over this program's tensors. Their results are called `<name>.<number>`. */
  expander(name: string): Expander {
    const scope = this.#prefix + name
    let count = 0
    return new Expander({
      program: this.#program,
      tensor: (tensor) => this.tensor(tensor),
      declare: (shape) => {
        let full = ""
        do full = `${scope}.${++count}`
        while (this.has(full))
        return (this.#tensors[full] = { name: full, shape: [...shape], type: "f32", role: "activation" })
      },
      append: (step) => this.#steps.push(step)
    })
  }

  /** tokens i32 [B, T], offset i32 [1] or [B], table [V, C], positions [P, C]; gives [B, T, C]. */
  embedding(
    args: { tokens: Tensor; offset: Tensor; table: Tensor; positions: Tensor },
    name?: string
  ): Tensor {
    return this.#one("embedding", [args.tokens, args.offset, args.table, args.positions], {}, name)
  }

  /** x [.., C], gain and bias [C]; gives [.., C]. */
  layerNorm(
    x: Tensor,
    args: { gain: Tensor; bias?: Tensor | undefined; epsilon?: number },
    name?: string
  ): Tensor {
    return this.#one("layerNorm", [x, args.gain, args.bias], { epsilon: args.epsilon ?? 1e-5 }, name)
  }

  /** x [.., I], weight [O, I], bias [O]; gives [.., O]. */
  linear(x: Tensor, args: { weight: Tensor; bias?: Tensor | undefined }, name?: string): Tensor {
    return this.#one("linear", [x, args.weight, args.bias], {}, name)
  }

  /** qkv [B, T, 3C]; gives [B, T, C]. */
  attention(qkv: Tensor, args: { heads: number }, name?: string): Tensor {
    return this.#one("attention", [qkv], { heads: args.heads }, name)
  }

  /** qkv [B, T, 3C], keys and values [S, P, C] updated in place, offset i32 [1] or [B], slots i32 [B]; gives [B, T, C]. */
  attentionCached(
    qkv: Tensor,
    args: { keys: Tensor; values: Tensor; offset: Tensor; slots?: Tensor | undefined; heads: number },
    name?: string
  ): Tensor {
    return this.#one(
      "attentionCached",
      [qkv, args.keys, args.values, args.offset, args.slots],
      { heads: args.heads },
      name
    )
  }

  /** Any shape. */
  gelu(x: Tensor, name?: string): Tensor {
    return this.#one("gelu", [x], {}, name)
  }

  /** Two tensors of one shape. */
  add(a: Tensor, b: Tensor, name?: string): Tensor {
    return this.#one("add", [a, b], {}, name)
  }

  /** Any shape, seed i32 [1]; `salt` tells the layers apart. */
  dropout(x: Tensor, args: { seed: Tensor; rate: number; salt: number }, name?: string): Tensor {
    return this.#one("dropout", [x, args.seed], { rate: args.rate, salt: args.salt }, name)
  }

  /** x [.., C], table [V, C], targets i32 [..]; gives loss [1], and losses, correct and logSumExp [..]. */
  projectionLoss(
    x: Tensor,
    args: { table: Tensor; targets: Tensor },
    name?: string
  ): { loss: Tensor; losses: Tensor; correct: Tensor; logSumExp: Tensor } {
    const [loss, losses, correct, logSumExp] = this.step(
      "projectionLoss",
      [x, args.table, args.targets],
      {},
      {
        name
      }
    )
    return { loss: loss!, losses: losses!, correct: correct!, logSumExp: logSumExp! }
  }

  /** Gradients of any shapes; gives norm [1] and scale [1]. `maximum` 0 does not clip. */
  gradientNorm(
    gradients: ReadonlyArray<Tensor>,
    args: { maximum: number },
    name?: string
  ): { norm: Tensor; scale: Tensor } {
    const [norm, scale] = this.step("gradientNorm", gradients, { maximum: args.maximum }, { name })
    return { norm: norm!, scale: scale! }
  }

  /** Updates parameter, firstMoment and secondMoment in place. */
  adamW(
    args: {
      parameter: Tensor
      gradient: Tensor
      firstMoment: Tensor
      secondMoment: Tensor
      scale: Tensor
      learningRate: Tensor
      step: Tensor
    },
    attributes: { beta1: number; beta2: number; epsilon: number; weightDecay: number }
  ): void {
    this.step(
      "adamW",
      [
        args.parameter,
        args.gradient,
        args.firstMoment,
        args.secondMoment,
        args.scale,
        args.learningRate,
        args.step
      ],
      attributes
    )
  }

  /** The program so far, checked; `outputs` are copied back to the caller at the end of a run. */
  build(outputs: ReadonlyArray<Tensor>): Program {
    const program: Program = {
      name: this.#program,
      tensors: { ...this.#tensors },
      steps: [...this.#steps],
      outputs: outputs.map((tensor) => tensor.name)
    }
    const wrong = verify(program)
    if (wrong !== undefined) throw this.#error(wrong)
    return program
  }

  #one(
    operation: OperationName,
    inputs: ReadonlyArray<Tensor | undefined>,
    attributes: Attributes,
    name: string | undefined
  ): Tensor {
    return this.step(operation, inputs, attributes, { name })[0]!
  }

  /** The scope itself, or with the first number that makes its outputs' names new: `linear`, `linear.2`, `linear.3`. */
  #free(scope: string, outputs: ReadonlyArray<string>): string {
    for (let count = 1; ; count++) {
      const full = this.#prefix + (count === 1 ? scope : `${scope}.${count}`)
      if (outputs.every((output) => this.#tensors[`${full}.${output}`] === undefined)) return full
    }
  }

  #error(why: string): ProgramError {
    return new ProgramError({ program: this.#program, why })
  }
}

/** Starts an empty program. */
export const make = Builder.make

/** Goes on with an existing program. */
export const extend = Builder.extend
