/** Cuts one step out of a program, as a program of its own. */
import { type Program, type Step, sizeOf, type Tensor } from "../program/Program.ts"
import { reduceAttributes } from "../program/primitives.ts"
import { reachOf } from "../program/views.ts"

export interface Isolated {
  readonly program: Program
  /** Tensor of the whole program to its name here, for every tensor that the step touches. */
  readonly names: ReadonlyMap<string, string>
  /** Names of the whole program that this step writes. */
  readonly written: ReadonlyArray<string>
}

/** Shape of the coordinates that the output's view of a primitive's step has. */
const outerShape = (step: Step): ReadonlyArray<number> => {
  const { over = 0, shape } = reduceAttributes(step)
  if (step.operation === "product") return shape.slice(0, -1)
  return shape.slice(0, shape.length - over)
}

/** Whether a step writes a tensor that it reads, or writes only a part of it. */
const changesPart = (step: Step, tensor: Tensor): boolean => {
  if (!step.outputs.includes(tensor.name) || !("views" in step.attributes)) return false
  const view = reduceAttributes(step).views.at(-1)!
  return step.inputs.includes(tensor.name) || reachOf(view, outerShape(step)) < sizeOf(tensor.shape)
}

/**
 * The program of step `index` alone. Session tensors stay what they are, so that the engine takes the same way through its code;
 * activations that the step reads become inputs, those it writes become outputs, and those it adds to, or changes a part of, become session state
 * under a name of their own.
 */
export const isolate = (whole: Program, index: number): Isolated => {
  const step = whole.steps[index]!
  const tensors: Record<string, Tensor> = {}
  const names = new Map<string, string>()
  const outputs: Array<string> = []
  for (const name of new Set([...step.inputs, ...step.outputs])) {
    if (name === "") continue
    const tensor = whole.tensors[name]!
    const adds = step.accumulate.includes(name) || changesPart(step, tensor)
    const isWritten = step.outputs.includes(name)
    const isolated: Tensor =
      tensor.role !== "activation"
        ? tensor
        : adds
          ? { ...tensor, name: `${name}#sum`, role: "state" }
          : isWritten
            ? tensor
            : { ...tensor, role: "input" }
    if (isolated.role === "activation") outputs.push(isolated.name)
    tensors[isolated.name] = isolated
    names.set(name, isolated.name)
  }
  const rename = (name: string) => names.get(name) ?? ""
  return {
    names,
    written: step.outputs.filter((name) => name !== ""),
    program: {
      name: `${whole.name}, step ${index} (${step.operation})`,
      tensors,
      steps: [
        {
          ...step,
          inputs: step.inputs.map(rename),
          outputs: step.outputs.map(rename),
          accumulate: step.accumulate.map(rename)
        }
      ],
      outputs
    }
  }
}
