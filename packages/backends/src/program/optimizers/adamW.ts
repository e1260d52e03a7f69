/**
 * AdamW for one parameter: the operation `adamW`, whose file has the formula. State: `<parameter>.firstMoment` and `<parameter>.secondMoment`.
 */
import type { Held, Optimizer } from "./Optimizer.ts"

export interface AdamWSettings {
  /** 0.9 unless given. */
  readonly beta1?: number
  /** 0.95 unless given. */
  readonly beta2?: number
  /** 1e-8 unless given. */
  readonly epsilon?: number
  /** Decoupled decay, by the learning rate; 0.1 unless given. */
  readonly weightDecay?: number
  /** Name of the learning rate's input; `learningRate` unless given. */
  readonly learningRate?: string
}

export const firstMoment = (parameter: string): string => `${parameter}.firstMoment`
export const secondMoment = (parameter: string): string => `${parameter}.secondMoment`

const state = ({ name, shape }: Held): ReadonlyArray<Held> => [
  { name: firstMoment(name), shape },
  { name: secondMoment(name), shape }
]

export const adamW = (settings: AdamWSettings = {}): Optimizer => ({
  name: "adamW",
  learningRate: settings.learningRate ?? "learningRate",
  state,
  append: ({ builder, gradient, learningRate, parameter, scale, step }) => {
    const [first, second] = state(parameter).map(({ name, shape }) => builder.state(name, shape))
    builder.adamW(
      {
        parameter,
        gradient,
        firstMoment: first!,
        secondMoment: second!,
        scale,
        learningRate,
        step
      },
      {
        beta1: settings.beta1 ?? 0.9,
        beta2: settings.beta2 ?? 0.95,
        epsilon: settings.epsilon ?? 1e-8,
        weightDecay: settings.weightDecay ?? 0.1
      }
    )
  }
})
