import { describe, test } from "vitest"
import { contractSuite } from "../../src/contract/contract.ts"
import { make } from "../../src/gpujs/engine.ts"

await contractSuite(make({ mode: "webasm" }), { describe, test }, { threads: [2], cases: 4, tolerance: 1e-4 })
