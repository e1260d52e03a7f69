import { engine } from "../../src/reference/engine.ts"
import { contractSuite } from "../contract/contractSuite.ts"

await contractSuite(engine, { threads: [1], tolerance: 1e-6 })
