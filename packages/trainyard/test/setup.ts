/** Runs before each file of tests. */
import { afterAll } from "vitest"
import { cleanUp } from "./cleanup.ts"

afterAll(cleanUp)
