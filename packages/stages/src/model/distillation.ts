/**
 * A teacher within a student's training program: its forward pass over the same tokens, without dropout and without gradient, and the loss that
 * mixes its predictions with the text (`distillationLoss` of the operations).
 */
import { Builder } from "@trainyard/backends/program/Builder"
import type { Program, Step, Tensor } from "@trainyard/backends/program/Program"

/** Name of the session's tensor that holds a teacher's parameter. */
export const teacherName = (parameter: string): string => `teacher.${parameter}`

/** What the loss needs of a forward pass. */
export interface Predictions {
  /** Output of the final norm, [B, T, C]. */
  readonly x: string
  /** The output layer's weight, [V, C]. */
  readonly output: string
}

/** The teacher's program with its tensors renamed and its parameters as state, which has no gradient. Inputs are those of the student. */
const renamed = (program: Program) => {
  const nameOf = (name: string) =>
    name === "" || program.tensors[name]!.role === "input" ? name : teacherName(name)
  const tensors = Object.values(program.tensors).map(
    (tensor): Tensor => ({
      ...tensor,
      name: nameOf(tensor.name),
      role: tensor.role === "parameter" ? "state" : tensor.role
    })
  )
  const steps = program.steps.map(
    (step): Step => ({
      ...step,
      inputs: step.inputs.map(nameOf),
      outputs: step.outputs.map(nameOf),
      accumulate: step.accumulate.map(nameOf)
    })
  )
  return { tensors, steps, nameOf }
}

export interface Distillation {
  /** Forward pass of the teacher on the student's inputs. */
  readonly teacher: { readonly program: Program } & Predictions
  /** Share of the teacher's predictions in the loss; the text has the rest. */
  readonly weight: number
  /** By which the logits of both are divided. */
  readonly temperature: number
}

/** The student's program with the teacher's before it, and the name of the loss to minimise. */
export const distill = (
  student: { readonly program: Program; readonly loss: string; readonly targets: string } & Predictions,
  { teacher, temperature, weight }: Distillation
): { readonly program: Program; readonly loss: string } => {
  const { nameOf, steps, tensors } = renamed(teacher.program)
  const merged: Program = {
    ...student.program,
    tensors: {
      ...Object.fromEntries(tensors.map((tensor) => [tensor.name, tensor])),
      ...student.program.tensors
    },
    steps: [...steps, ...student.program.steps]
  }
  const builder = Builder.extend(merged)
  const total = builder.step(
    "distillationLoss",
    [student.loss, student.x, student.output, nameOf(teacher.x), nameOf(teacher.output), student.targets].map(
      (name) => builder.tensor(name)
    ),
    { weight, temperature },
    { name: "distillation" }
  )[0]!
  return {
    program: builder.build(student.program.outputs.map((name) => builder.tensor(name))),
    loss: total.name
  }
}
