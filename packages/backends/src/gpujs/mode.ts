/** Which of gpu.js's ways of running kernels works here: a GPU through WebGPU, else WebAssembly, else plain JavaScript. */

import { Effect } from "effect"
import { missingVulkan } from "../vulkan.ts"
import { GPU } from "./library.ts"

export type Mode = "webgpu" | "webasm" | "cpu"

export interface Found {
  readonly mode: Mode
  /** One line for a person. */
  readonly detail: string
  /** Whether there is a GPU behind it: `auto` takes gpujs for nothing else. */
  readonly accelerated: boolean
}

/** Gives Node the `navigator.gpu` that browsers have, from the npm package `webgpu`. */
const provideWebGpu = async (): Promise<void> => {
  if (typeof navigator !== "undefined" && "gpu" in navigator && navigator.gpu) return
  const { create, globals } = await import("webgpu")
  Object.assign(globalThis, globals)
  Object.defineProperty(globalThis.navigator, "gpu", { value: create([]), configurable: true })
}

const findWebGpu = async (): Promise<Found | undefined> => {
  await provideWebGpu()
  if (!(await GPU.isWebGPUAvailable())) return undefined
  const adapter = await navigator.gpu.requestAdapter()
  if (adapter === null) return undefined
  const { architecture, description, device, vendor } = adapter.info
  const name = description || device || architecture || vendor || "an unnamed adapter"
  const software = /swiftshader|llvmpipe|lavapipe|software/i.test(
    [architecture, description, device, vendor].join(" ")
  )
  return {
    mode: "webgpu",
    detail: `WebGPU on ${name}${software ? ", which is software and slow" : ""}`,
    accelerated: !software
  }
}

/** The best mode there is, or the one that is asked for, if it works here. */
export const findMode = (asked?: Mode): Effect.Effect<Found | undefined> =>
  Effect.gen(function* () {
    if ((asked === undefined || asked === "webgpu") && (yield* missingVulkan) === undefined) {
      // The package that brings WebGPU to Node may not load, or find no adapter: both mean that there is none here.
      const found = yield* Effect.orElseSucceed(Effect.tryPromise(findWebGpu), () => undefined)
      if (found !== undefined) return found
    }
    if ((asked === undefined || asked === "webasm") && GPU.isWebAssemblySupported)
      return {
        mode: "webasm",
        detail:
          "WebAssembly with SIMD, without a GPU and slow; gpu.js chooses its own workers, whatever --threads says",
        accelerated: false
      }
    if (asked === undefined || asked === "cpu")
      return { mode: "cpu", detail: "plain JavaScript, without a GPU and very slow", accelerated: false }
    return undefined
  })
