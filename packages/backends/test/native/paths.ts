/** The kernel paths under test: all, or those that TRAINYARD_NATIVE_KERNELS names. */
import type { Engine } from "../../src/Backend.ts"
import { kernelNames, make } from "../../src/native/engine.ts"

const asked = process.env.TRAINYARD_NATIVE_KERNELS
export const paths: ReadonlyArray<string> = asked ? asked.split(",") : kernelNames

/** An engine that says which kernels it runs, so that test names do. */
export const engineFor = (kernels: string): Engine => make({ kernels })
