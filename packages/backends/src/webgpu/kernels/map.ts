/** The primitive `map`: one thread for each element of the result. */
import { sizeOf } from "../../program/Program.ts"
import { mapAttributes } from "../../program/primitives.ts"
import { arrange, coordinates, element, indexOf, within } from "../elements.ts"
import { KernelText } from "../KernelText.ts"
import { type Lower, store } from "../Lowering.ts"

const name = (axis: number) => `c${axis}`

export const map: Lower = (context) => {
  const result = context.output(0)!
  const arranged = arrange(mapAttributes(context.step), 0)
  const { output, space } = arranged
  const kernel = new KernelText()
  const { statements, value } = element(kernel, arranged, context.input, name)
  const isInside = within(output, space.shape, name)
  const stored = store(kernel, result, indexOf(output.offset, output.strides, name), value)
  context.dispatch(
    kernel.each(context.step.operation, sizeOf(space.shape), [
      ...coordinates("i", space.shape, name),
      ...statements,
      isInside === undefined ? stored : `if (${isInside}) { ${stored} }`
    ])
  )
}
