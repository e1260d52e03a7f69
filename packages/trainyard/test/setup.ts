/** Runs before each file of tests. */
import { afterAll } from "vitest"
import { giveBackAll } from "./atFileEnd.ts"

afterAll(giveBackAll)
