/**
 * One AdamW update of one parameter, in place. With g = scale · gradient and step counted from 1:
 *
 *   m = beta1 · m + (1 - beta1) · g;   v = beta2 · v + (1 - beta2) · g²
 *   m̂ = m / (1 - beta1^step);   v̂ = v / (1 - beta2^step)
 *   parameter = parameter - learningRate · (m̂ / (√v̂ + epsilon) + weightDecay · parameter)
 *
 * parameter, gradient, m (firstMoment) and v (secondMoment) have one shape; scale [1] comes from `gradientNorm`;
 * learningRate f32 [1]; step i32 [1]. When scale is not finite nothing changes.
 * Source: Loshchilov, Hutter 2019, arXiv:1711.05101, algorithm 2.
 */
import type { Operation } from "../Operation.ts"
import { same, show } from "./shape.ts"

export const adamW: Operation = {
  name: "adamW",
  inputs: [
    { name: "parameter", type: "f32" },
    { name: "gradient", type: "f32" },
    { name: "firstMoment", type: "f32" },
    { name: "secondMoment", type: "f32" },
    { name: "scale", type: "f32" },
    { name: "learningRate", type: "f32" },
    { name: "step", type: "i32" }
  ],
  outputs: [
    { name: "parameter", type: "f32" },
    { name: "firstMoment", type: "f32" },
    { name: "secondMoment", type: "f32" }
  ],
  inPlace: [
    { output: 0, input: 0 },
    { output: 1, input: 2 },
    { output: 2, input: 3 }
  ],
  attributes: ["beta1", "beta2", "epsilon", "weightDecay"],
  infer: ([parameter, gradient, firstMoment, secondMoment, scale, learningRate, step]) => {
    if (!same(parameter, gradient) || !same(parameter, firstMoment) || !same(parameter, secondMoment))
      return `parameter ${show(parameter)}, gradient ${show(gradient)} and both moments must have one shape`
    return [scale, learningRate, step].every((scalar) => same(scalar, [1]))
      ? [parameter!, parameter!, parameter!]
      : `scale, learningRate and step must be [1], are ${show(scale)}, ${show(learningRate)} and ${show(step)}`
  },
  expand: (e) => {
    const [p, gradient, m, v] = [e.input(0), e.input(1), e.input(2), e.input(3)]
    const [scale, rate, step] = [e.input(4), e.input(5), e.input(6)]
    const [beta1, beta2] = [e.number("beta1"), e.number("beta2")]
    const [epsilon, decay] = [e.number("epsilon"), e.number("weightDecay")]
    const moves = "less(abs(scale), 3e38)"
    const g = "scale * gradient"
    e.putMap(1, `where(${moves}, ${beta1} * m + ${1 - beta1} * ${g}, m)`, { m, scale, gradient })
    e.putMap(2, `where(${moves}, ${beta2} * v + ${1 - beta2} * ${g} * ${g}, v)`, { v, scale, gradient })
    const corrected = {
      mean: e.map(`1 - pow(${beta1}, step)`, { step }),
      square: e.map(`1 - pow(${beta2}, step)`, { step })
    }
    const change = `m / mean / (sqrt(v / square) + ${epsilon}) + ${decay} * p`
    e.putMap(0, `where(${moves}, p - rate * (${change}), p)`, { p, m, v, rate, scale, ...corrected })
  }
}
