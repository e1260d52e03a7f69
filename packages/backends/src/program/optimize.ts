/**
 * Appends the parameter update to a program that computes gradients: the norm of all gradients, clipped, then each parameter's optimizer.
 * Unless told otherwise that is AdamW, with decoupled decay on matrices only (gains, biases and other vectors are left to the loss).
 */
import { type Builder, extend, make } from "./Builder.ts"
import type { Differentiated } from "./differentiate.ts"
import { type AdamWSettings, adamW, firstMoment, secondMoment } from "./optimizers/adamW.ts"
import type { Held, Optimizer } from "./optimizers/Optimizer.ts"
import type { Program, Tensor } from "./Program.ts"

/** Settings of the update. Unless given: 0.9, 0.95, 1e-8, a decay of 0.1, and a norm of at most 1. */
export interface AdamWOptions extends AdamWSettings {
  /** Gradients are scaled down to this global norm; 0 does not clip. */
  readonly maximumNorm?: number
  /** Which parameters decay: those with two or more axes, unless told otherwise. Without effect where `optimizer` is given. */
  readonly decays?: (parameter: Held) => boolean
  /** The optimizer of each parameter; AdamW with the settings here unless given. */
  readonly optimizer?: (parameter: Held) => Optimizer
  /** Name of the result; that of the program unless given. */
  readonly name?: string
}

/** Names that the update adds to a program. */
export const Names = {
  /** Input f32 [1]. */
  learningRate: "learningRate",
  /** Input i32 [1], counted from 1. */
  step: "step",
  /** Output f32 [1]: the norm of all gradients before clipping. */
  gradientNorm: "gradientNorm.norm",
  firstMoment,
  secondMoment
}

/** The optimizer that these options give a parameter. */
export const optimizerOf = (options: AdamWOptions, parameter: Held): Optimizer => {
  if (options.optimizer !== undefined) return options.optimizer(parameter)
  const decays = options.decays ?? (({ shape }) => shape.length >= 2)
  return adamW(decays(parameter) ? options : { ...options, weightDecay: 0 })
}

const append = (
  builder: Builder,
  pairs: ReadonlyArray<{ readonly parameter: Tensor; readonly gradient: Tensor }>,
  outputs: ReadonlyArray<string>,
  options: AdamWOptions
): Program => {
  const step = builder.input(Names.step, [1], "i32")
  const { norm, scale } = builder.gradientNorm(
    pairs.map(({ gradient }) => gradient),
    { maximum: options.maximumNorm ?? 1 }
  )
  for (const { gradient, parameter } of pairs) {
    const optimizer = optimizerOf(options, parameter)
    const learningRate = builder.input(optimizer.learningRate, [1])
    optimizer.append({ builder, parameter, gradient, scale, learningRate, step })
  }
  return builder.build([...outputs.map((name) => builder.tensor(name)), norm])
}

/** Forward, backward and update in one program. Its outputs are the program's own and the gradient norm. */
export const optimize = (differentiated: Differentiated, options: AdamWOptions = {}): Program => {
  const { gradients, program } = differentiated
  const builder = extend(program, options.name ?? program.name)
  const pairs = Object.entries(gradients).map(([parameter, gradient]) => ({
    parameter: builder.tensor(parameter),
    gradient: builder.tensor(gradient)
  }))
  return append(builder, pairs, program.outputs, options)
}

/** The update alone, from gradients that other programs left in the session. Its output is the gradient norm. */
export const update = (differentiated: Differentiated, options: AdamWOptions = {}): Program => {
  const { gradients, program } = differentiated
  const builder = make(options.name ?? `${program.name}-update`)
  const pairs = Object.entries(gradients).map(([parameter, gradient]) => ({
    parameter: builder.parameter(parameter, program.tensors[parameter]!.shape),
    gradient: builder.state(gradient, program.tensors[gradient]!.shape)
  }))
  return append(builder, pairs, [], options)
}
