/**
 * An engine that others install and name: `trainyard run pipeline.ts --backend trainyard-engine-example`. It computes the matrix products of
 * linear layers itself, and leaves the other operations to Trainyard's reference kernels.
 */
import * as Engine from "@trainyard/backends/Engine"
import { fromKernels } from "@trainyard/backends/fromKernels"
import { linear, linearBackwardInput, linearBackwardWeight } from "./kernels.ts"

export default Engine.make(
  fromKernels({
    name: "example",
    detail: "float64 products in tiles, on one thread",
    kernels: { linear, linearBackwardInput, linearBackwardWeight },
    sources: [import.meta.url]
  })
)
