/**
 * The reference engine: programs interpreted in plain TypeScript, slow and obvious, sums in float64. It runs everywhere, and
 * every other engine is judged by it.
 */
import { fromKernels } from "./fromKernels.ts"
import { kernels } from "./kernels.ts"

export const engine = fromKernels({
  name: "reference",
  detail: "plain TypeScript on one thread, slow, for checking the others",
  kernels,
  sources: []
})
