/** The contract through WebGPU, on a GPU or on SwiftShader; a visible skip where there is no adapter. */

import { describe, test } from "vitest"
import { contractSuite } from "../../src/contract/contract.ts"
import { make } from "../../src/gpujs/engine.ts"

await contractSuite(make({ mode: "webgpu" }), { describe, test }, { threads: [1], cases: 3, tolerance: 2e-4 })
