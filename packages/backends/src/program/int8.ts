/** What precision int8 means to every engine that offers it: which tensors are rounded, and which programs are refused. */
import type { Program, Tensor } from "./Program.ts"

/** The numbers in a row of a tensor that int8 rounds, which is a parameter with two axes; 0 of others. */
export const roundedWidth = ({ role, shape }: Tensor): number =>
  role === "parameter" && shape.length === 2 ? shape[1]! : 0

/** Why int8 refuses a program, if it does: rounded parameters cannot be trained. */
export const refusedInInt8 = (program: Program): string | undefined => {
  const changed = program.steps
    .flatMap((step) => step.outputs)
    .find((output) => program.tensors[output]?.role === "parameter")
  return changed === undefined
    ? undefined
    : `it changes ${changed}, and precision int8 is for generation and validation alone. Take --precision bf16 or f32`
}
