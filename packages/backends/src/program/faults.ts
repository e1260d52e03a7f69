/** What is wrong with the values of a run's integer inputs, found before anything is sent to a device that would not say. */
import type { Inputs } from "../Backend.ts"
import type { Program, Step } from "./Program.ts"

const stepFault = (program: Program, step: Step, inputs: Inputs): string | undefined => {
  const shape = (input: number) => program.tensors[step.inputs[input] ?? ""]?.shape ?? []
  const values = (input: number) => inputs[step.inputs[input] ?? ""] ?? new Int32Array(0)
  const outside = (what: string, input: number, least: number, limit: number) => {
    const at = values(input).findIndex((value) => value < least || value >= limit)
    return at === -1
      ? undefined
      : `${what} ${values(input)[at]} at ${at} is outside the vocabulary, which goes from 0 to ${limit - 1}`
  }
  const outOfTable = (input: number, limit: number) => {
    const at = values(input).findIndex((value) => value >= limit)
    return at === -1
      ? undefined
      : `row ${values(input)[at]} at ${at} is outside the table, which has rows 0 to ${limit - 1}`
  }
  const outOfCache = (input: number, rows: number) => {
    const slot = [...values(input)].find((value) => value < 0 || value >= rows)
    return slot === undefined ? undefined : `row ${slot} is wanted of a cache of ${rows} rows`
  }
  const beyond = (offset: number, time: number, limit: number) => {
    const first = [...values(offset)].find((value) => value < 0 || value + time > limit)
    return first === undefined
      ? undefined
      : `positions ${first} to ${first + time - 1} are wanted of ${limit}`
  }
  switch (step.operation) {
    case "embedding":
      return outside("token", 0, 0, shape(2)[0]!) ?? beyond(1, shape(0)[1]!, shape(3)[0]!)
    case "embeddingBackward": {
      const table = program.tensors[step.outputs[0] ?? ""]?.shape[0] ?? Infinity
      const positions = program.tensors[step.outputs[1] ?? ""]?.shape[0] ?? Infinity
      return outside("token", 1, 0, table) ?? beyond(2, shape(1)[1]!, positions)
    }
    case "projectionLoss":
      return outside("target", 2, -1, shape(1)[0]!)
    case "projectionLossBackward":
      return outside("target", 3, -1, shape(2)[0]!)
    case "attentionCached":
      return beyond(3, shape(0)[1]!, shape(1)[1]!) ?? outOfCache(4, shape(1)[0]!)
    case "gather":
      return outOfTable(1, shape(0)[0]!)
    case "scatterAdd":
      return outOfTable(1, program.tensors[step.outputs[0] ?? ""]?.shape[0] ?? Infinity)
    default:
      return undefined
  }
}

/** A sentence about the first step that these inputs would make read or write outside its tensors, or undefined. */
export const fault = (program: Program, inputs: Inputs): string | undefined => {
  for (const [index, step] of program.steps.entries()) {
    const wrong = stepFault(program, step, inputs)
    if (wrong !== undefined) return `program ${program.name}, step ${index} (${step.operation}): ${wrong}`
  }
  return undefined
}
