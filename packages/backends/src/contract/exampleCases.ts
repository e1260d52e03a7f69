/** Programs of one operation from the examples that its own file gives, with results replaced, added to and dropped. */
import type { Example, ExampleInput } from "../program/Example.ts"
import type { Operation } from "../program/Operation.ts"
import { type OperationName, operations } from "../program/operations.ts"
import type { Tensor } from "../program/Program.ts"
import { type Case, Draft, type Taking } from "./Draft.ts"
import { picker } from "./Picker.ts"

/** Operations that give examples. */
export const withExamples = (Object.keys(operations) as ReadonlyArray<OperationName>).filter(
  (name) => (operations[name] as Operation).example !== undefined
)

/** Declares an input with its values. */
const declare = (
  d: Draft,
  name: string,
  input: ExampleInput,
  before: ReadonlyArray<Tensor | null>,
  isHeld: boolean
): Tensor => {
  if ("output" in input) return before[input.output]!
  if ("values" in input)
    return d.given(
      name,
      input.shape,
      input.type === "i32" ? Int32Array.from(input.values) : Float32Array.from(input.values)
    )
  if ("below" in input) return d.integers(name, input.shape, input.below, input.least ?? 0)
  if (isHeld) return d.held(name, input.shape, input.positive ? "positive" : "any")
  return input.positive
    ? d.positive(name, input.shape, input.scale)
    : d.floats(name, input.shape, input.scale)
}

/** Declares all inputs of an example, and the step before it; gives them in the operation's order. */
export const declareAll = (
  d: Draft,
  rule: Operation,
  example: Example
): ReadonlyArray<Tensor | undefined> => {
  const isHeld = (index: number) => rule.inPlace?.some((pair) => pair.input === index) ?? false
  const indexOf = (name: string) => rule.inputs.findIndex((argument) => argument.name === name)
  const unknown = Object.keys(example.inputs).find((name) => indexOf(name) === -1)
  if (unknown !== undefined)
    throw new Error(`the example of ${rule.name} gives ${unknown}, which it does not take`)
  const known = new Map<string, Tensor>()
  for (const [name, input] of Object.entries(example.inputs))
    if (!("output" in input)) known.set(name, declare(d, name, input, [], isHeld(indexOf(name))))
  const { before } = example
  const earlier =
    before === undefined
      ? []
      : d.builder.step(
          before.operation as OperationName,
          (operations[before.operation as OperationName] as Operation).inputs.map((argument) =>
            before.inputs.includes(argument.name) ? known.get(argument.name) : undefined
          ),
          before.attributes
        )
  for (const [name, input] of Object.entries(example.inputs))
    if ("output" in input) known.set(name, declare(d, name, input, earlier, false))
  return rule.inputs.map(({ name }) => known.get(name))
}

/** How the results are taken: at least one is. */
const takingsOf = (rule: Operation, seed: number): ReadonlyArray<Taking> => {
  const pick = picker(seed + 1)
  const all = rule.outputs.map(
    ({ optional }): Taking =>
      optional ? pick.from("activation", "replace", "add", "drop") : pick.from("activation", "replace", "add")
  )
  return all.every((one) => one === "drop") ? ["activation", ...all.slice(1)] : all
}

/** A case of an operation that gives examples. */
export const exampleCase = (name: OperationName, seed: number): Case => {
  const rule: Operation = operations[name]
  const d = new Draft(name, seed)
  const example = rule.example!(picker(seed))
  const inputs = declareAll(d, rule, example)
  d.step(name, inputs, example.attributes, takingsOf(rule, seed), example.wanted)
  return d.done()
}
