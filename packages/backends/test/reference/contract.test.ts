import { describe, test } from "vitest"
import { contractSuite } from "../../src/contract/contract.ts"
import { engine } from "../../src/reference/engine.ts"

await contractSuite(engine, { describe, test }, { threads: [1], tolerance: 1e-6 })
