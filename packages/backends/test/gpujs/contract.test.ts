import { make } from "../../src/gpujs/engine.ts"
import { contractSuite } from "../contract/contractSuite.ts"

await contractSuite(make({ mode: "webasm" }), { threads: [2], cases: 4, tolerance: 1e-4 })
