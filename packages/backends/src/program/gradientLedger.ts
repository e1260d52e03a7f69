/**
 * Which tensor holds the gradient of which, while the backward steps of a program are appended. One tensor may be the gradient of
 * several as long as nothing is added to it in place.
 */
import type { Tensor } from "./Program.ts"

export interface GradientLedger {
  /** The gradient of a tensor so far. */
  readonly of: (tensor: string) => Tensor | undefined
  /** Makes `gradient` the gradient of a tensor, in place of the one so far. */
  readonly assign: (tensor: string, gradient: Tensor) => void
  /** Whether more may be added to the gradient of `tensor` where it lies, with no other tensor's gradient changing by it. */
  readonly mayGrow: (tensor: string, gradient: Tensor) => boolean
  /** Says that only the backward steps of the step that made `tensor` still read its gradient. */
  readonly settle: (tensor: string) => void
}

export const make = (): GradientLedger => {
  const gradients = new Map<string, Tensor>()
  /** By gradient: the tensors that share it and whose own backward steps are still to come. */
  const sharers = new Map<string, Set<string>>()
  const leave = (tensor: string) => {
    const gradient = gradients.get(tensor)
    if (gradient !== undefined) sharers.get(gradient.name)?.delete(tensor)
  }
  return {
    of: (tensor) => gradients.get(tensor),
    assign: (tensor, gradient) => {
      leave(tensor)
      gradients.set(tensor, gradient)
      const set = sharers.get(gradient.name) ?? new Set()
      sharers.set(gradient.name, set.add(tensor))
    },
    mayGrow: (tensor, gradient) =>
      gradient.role !== "input" && [...(sharers.get(gradient.name) ?? [])].every((name) => name === tensor),
    settle: leave
  }
}
