/** The engine keeps Trainyard's contract. */
import { describe, test } from "node:test"
import { contractSuite } from "@trainyard/backends/contract"
import engine from "../src/engine.ts"

await contractSuite(engine, { describe, test }, { threads: [1] })
