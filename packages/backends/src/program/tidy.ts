/** Removes from primitives what they do for nothing: copies into results, and steps whose results nobody reads. */
import type { Shape } from "./Operation.ts"
import type { Step, Tensor } from "./Program.ts"
import { mapAttributes, type View } from "./primitives.ts"
import { isWhole } from "./StridedArray.ts"
import { sameView } from "./views.ts"

/** Steps, and the activations that belong to them alone. */
interface Steps {
  readonly steps: ReadonlyArray<Step>
  readonly tensors: ReadonlyArray<Tensor>
}

type Known = (name: string) => Tensor

const isWholeView = (view: View, shape: Shape, tensor: Tensor): boolean =>
  isWhole({ tensor: tensor.name, type: tensor.type, shape, view }, tensor)

/** Whether a step copies all of one tensor to all of another, in order. */
const isCopy = (step: Step, known: Known): boolean => {
  if (step.operation !== "map" || step.inputs.length !== 1) return false
  const { formula, names, shape, views } = mapAttributes(step)
  const [from, to] = [known(step.inputs[0]!), known(step.outputs[0]!)]
  return (
    formula === names[0] &&
    from.name !== to.name &&
    from.type === "f32" &&
    isWholeView(views[0]!, shape, from) &&
    isWholeView(views[1]!, shape, to)
  )
}

const writesAfter = (steps: ReadonlyArray<Step>, index: number, name: string) =>
  steps.slice(index + 1).some((step) => step.outputs.includes(name))

const touches = (step: Step, name: string) => step.inputs.includes(name) || step.outputs.includes(name)

/** Whether the step that writes `from` may write `to` itself: it reads `to`, if at all, element by element as it writes it. */
const mayWrite = (writer: Step, to: Tensor, from: Tensor, adds: boolean): boolean => {
  if (writer.operation === "gather" || writer.operation === "scatterAdd")
    return to.shape.join() === from.shape.join() && !writer.inputs.includes(to.name)
  if (writer.operation === "reduce" && writer.attributes.kind === "max" && adds) return false
  if (!writer.inputs.includes(to.name)) return true
  if (writer.operation !== "map" || adds) return false
  const { shape, views } = mapAttributes(writer)
  return writer.inputs.every(
    (name, index) => name !== to.name || sameView(views[index]!, views.at(-1)!, shape)
  )
}

/** The steps without the copy at `index`, whose source is then written where it was copied to; undefined where that cannot be. */
const withoutCopy = (
  steps: ReadonlyArray<Step>,
  index: number,
  known: Known
): ReadonlyArray<Step> | undefined => {
  const copy = steps[index]!
  const [from, to] = [known(copy.inputs[0]!), known(copy.outputs[0]!)]
  const adds = copy.accumulate.includes(to.name)
  const rename = (name: string) => (name === from.name ? to.name : name)
  const isUntouched = steps.every((step, other) => other === index || !touches(step, to.name))
  if (!adds && isUntouched && from.shape.join() === to.shape.join() && !writesAfter(steps, index, from.name))
    return steps
      .filter((_, other) => other !== index)
      .map((step) => ({
        ...step,
        inputs: step.inputs.map(rename),
        outputs: step.outputs.map(rename),
        accumulate: step.accumulate.map(rename)
      }))
  const writers = steps.flatMap((step, at) => (step.outputs.includes(from.name) ? [at] : []))
  const [at] = writers
  if (at === undefined || writers.length !== 1 || at > index || steps[at]!.accumulate.length > 0)
    return undefined
  if (!mayWrite(steps[at]!, to, from, adds)) return undefined
  const isFree = steps.every((step, other) =>
    other <= at || other === index
      ? true
      : other < index
        ? !touches(step, to.name)
        : !(
            step.inputs.includes(from.name) &&
            steps.slice(index + 1).some((one) => one.outputs.includes(to.name))
          )
  )
  if (!isFree || (adds && steps.some((step, other) => other !== index && step.inputs.includes(from.name))))
    return undefined
  return steps
    .map((step, other) =>
      other === at
        ? {
            ...step,
            outputs: [to.name],
            accumulate: adds ? [to.name] : [],
            attributes:
              "result" in step.attributes ? { ...step.attributes, result: to.shape } : step.attributes
          }
        : { ...step, inputs: step.inputs.map(rename) }
    )
    .filter((_, other) => other !== index)
}

/** Steps that lead to anything but the tensors of their own. */
const alive = (steps: ReadonlyArray<Step>, own: ReadonlySet<string>): ReadonlyArray<Step> => {
  const needed = new Set<string>()
  return [...steps]
    .reverse()
    .filter((step) => {
      const lives = step.outputs.some((name) => name !== "" && (!own.has(name) || needed.has(name)))
      if (lives) for (const name of step.inputs) needed.add(name)
      return lives
    })
    .reverse()
}

/** The same results with fewer steps. `others` are the tensors that do not belong to these steps. */
export const tidy = (written: Steps, others: (name: string) => Tensor | undefined): Steps => {
  const own = new Map(written.tensors.map((tensor) => [tensor.name, tensor]))
  const known: Known = (name) => own.get(name) ?? others(name)!
  let steps = alive(written.steps, new Set(own.keys()))
  for (let index = 0; index < steps.length; ) {
    const step = steps[index]!
    const fewer =
      isCopy(step, known) && own.has(step.inputs[0]!) ? withoutCopy(steps, index, known) : undefined
    if (fewer === undefined) index++
    else steps = fewer
  }
  const used = new Set(steps.flatMap((step) => [...step.inputs, ...step.outputs]))
  return { steps, tensors: written.tensors.filter((tensor) => used.has(tensor.name)) }
}
