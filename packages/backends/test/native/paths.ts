/**
 * The kernel paths under test: all but AMX emulated in software, which takes the longest; with TRAINYARD_TEST_NATIVE=all that one too; or those that
 * TRAINYARD_NATIVE_KERNELS names.
 */
import type { Engine } from "../../src/Backend.ts"
import { kernelNames, make } from "../../src/native/engine.ts"

const { TRAINYARD_NATIVE_KERNELS: asked, TRAINYARD_TEST_NATIVE: extent } = process.env
const usual = extent === "all" ? kernelNames : kernelNames.filter((name) => name !== "amx-emulated")
export const paths: ReadonlyArray<string> = asked ? asked.split(",") : usual

/** An engine that says which kernels it runs, so that test names do. */
export const engineFor = (kernels: string): Engine => make({ kernels })
