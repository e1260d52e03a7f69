/** The cpu engine keeps the contract. */
import { engine } from "../../src/cpu/engine.ts"
import { contractSuite } from "../contract/contractSuite.ts"

await contractSuite(engine, { threads: [2, 1, 3, 8, 64] })
