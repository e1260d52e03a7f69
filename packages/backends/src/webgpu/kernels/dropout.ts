/** `dropout`, whose mask is made where it is used: see program/operations/dropout.ts. */

import { literal } from "../formulas.ts"
import { KernelText } from "../KernelText.ts"
import { type Lower, store } from "../Lowering.ts"

export const dropout: Lower = (context) => {
  const kernel = new KernelText()
  const x = context.input(0)
  const rate = context.number("rate")
  const salt = Math.imul(context.number("salt"), 0x9e3779b1) >>> 0
  const [numbers, seed] = [kernel.read(x), kernel.read(context.input(1))]
  context.dispatch(
    kernel.each(context.step.operation, x.length, [
      `var h = bitcast<u32>(${seed}[0]) + ${salt}u + u32(i) * 0x85EBCA77u;`,
      "h = (h ^ (h >> 16u)) * 0x85EBCA6Bu;",
      "h = (h ^ (h >> 13u)) * 0xC2B2AE35u;",
      "h = h ^ (h >> 16u);",
      // The rate as the number of 24 bits that a hash must reach.
      `let isKept = (h >> 8u) >= ${Math.ceil(rate * 2 ** 24)}u;`,
      store(kernel, context.output(0)!, "i", `select(0f, ${numbers}[i] * ${literal(1 / (1 - rate))}, isKept)`)
    ])
  )
}
