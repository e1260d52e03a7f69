/** The contract through WebGPU, on a GPU or on SwiftShader; a visible skip where there is no adapter. */
import { make } from "../../src/gpujs/engine.ts"
import { contractSuite } from "../contract/contractSuite.ts"

await contractSuite(make({ mode: "webgpu" }), { threads: [1], cases: 3, tolerance: 2e-4 })
