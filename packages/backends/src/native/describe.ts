/** A program in the form that the addon takes. */
import type { Program } from "../program/Program.ts"
import type { Plan } from "../program/plan.ts"
import type { PreparedStep } from "./addon.ts"
import { primitiveNumbers } from "./primitive.ts"

/** Tensors and steps by number, activations with their places. */
export const describe = (program: Program, layout: Plan, held: ReadonlyMap<string, number>) => {
  const names = Object.keys(program.tensors)
  const numbers = new Map(names.map((name, index) => [name, index]))
  const number = (name: string) => (name === "" ? -1 : (numbers.get(name) ?? -1))
  const steps = program.steps.map(
    (step): PreparedStep => ({
      operation: step.operation,
      inputs: step.inputs.map(number),
      outputs: step.outputs.map(number),
      attributes: Object.fromEntries(
        Object.entries(step.attributes).flatMap(([key, value]) =>
          typeof value === "number" || typeof value === "boolean" ? [[key, Number(value)]] : []
        )
      ),
      primitive: primitiveNumbers(program, step),
      accumulate: step.outputs.reduce(
        (mask, name, output) => (name !== "" && step.accumulate.includes(name) ? mask | (1 << output) : mask),
        0
      )
    })
  )
  const tensors = names.map((name) => {
    const tensor = program.tensors[name]!
    return {
      shape: tensor.shape,
      held: tensor.role === "parameter" || tensor.role === "state" ? (held.get(name) ?? -1) : -1,
      offset: tensor.role === "activation" ? (layout.offsets[name] ?? -1) : -1
    }
  })
  return { number, described: { tensors, steps, bytes: layout.bytes } }
}
