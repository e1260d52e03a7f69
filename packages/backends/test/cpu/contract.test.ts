/** The cpu engine keeps the contract. */

import { describe, test } from "vitest"
import { contractSuite } from "../../src/contract/contract.ts"
import { engine } from "../../src/cpu/engine.ts"

await contractSuite(engine, { describe, test }, { threads: [2, 1, 3, 8, 64], cases: 6 })
