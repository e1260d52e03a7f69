/** `linear`: a product that adds the bias as it stores its sums, where it is taken in whole sums. */
import { rows, width } from "../../program/operations/shape.ts"
import type { View } from "../../program/primitives.ts"
import { KernelText } from "../KernelText.ts"
import { type Lower, store } from "../Lowering.ts"
import { isWhole, productInto } from "./product.ts"

export const linear: Lower = (context) => {
  const [count, ins] = [rows(context.shape(0)), width(context.shape(0))]
  const outs = context.shape(1)[0]!
  const bias = context.optional(2)
  const result = context.output(0)!
  const matrix = (strideRow: number): View => ({ offset: 0, strides: [strideRow, 1] })
  const shape = [count, outs, ins]
  const product = {
    shape,
    a: { value: context.input(0), view: matrix(ins) },
    b: { value: context.input(1), view: matrix(ins) },
    y: { ...result, view: matrix(outs) }
  }
  if (bias === undefined) {
    productInto(context, product)
    return
  }
  if (isWhole(shape)) {
    productInto(context, { ...product, finish: (kernel) => `value + ${kernel.read(bias)}[n]` })
    return
  }
  productInto(context, product)
  const kernel = new KernelText()
  context.dispatch(
    kernel.each(context.step.operation, result.value.length, [
      store(kernel, { value: result.value, adds: true }, "i", `${kernel.read(bias)}[i % ${outs}]`)
    ])
  )
}
