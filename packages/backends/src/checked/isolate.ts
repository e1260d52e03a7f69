/** Cuts one step out of a program, as a program of its own. */
import type { Program, Tensor } from "../program/Program.ts"

export interface Isolated {
  readonly program: Program
  /** Tensor of the whole program to its name here, for every tensor that the step touches. */
  readonly names: ReadonlyMap<string, string>
  /** Names of the whole program that this step writes. */
  readonly written: ReadonlyArray<string>
}

/**
 * The program of step `index` alone. Session tensors stay what they are, so that the engine takes the same way through its code;
 * activations that the step reads become inputs, those it writes become outputs, and those it adds to become session state
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
    const adds = step.accumulate.includes(name)
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
