/** What WebGPU finds on this machine: the adapter that runs kernels, or why there is none. */
import { Effect } from "effect"
import { missingVulkan } from "../vulkan.ts"

/** An adapter, with what a person and a cache key need to know of it. */
export interface Found {
  /** The library: it must outlive all that it was asked for, so whoever uses the adapter keeps it. */
  readonly library: GPU
  readonly adapter: GPUAdapter
  readonly name: string
  /** Computes on the processor: SwiftShader, llvmpipe and the like. */
  readonly software: boolean
  /** Kind of device, whose results may differ from those of another kind. */
  readonly identity: string
}

/** Why there is no adapter, and what would bring one. */
export interface Missing {
  readonly why: string
  readonly hint: string
}

const driver =
  "Install the GPU's driver with Vulkan, Metal or Direct3D 12, or take another --backend; the cpu engine runs everywhere."

const software = /swiftshader|llvmpipe|lavapipe|software|basic render|warp/i

const request = async (): Promise<Found | undefined> => {
  const { create, globals } = await import("webgpu")
  // The package's own code expects the constants of WebGPU where browsers have them.
  for (const [name, value] of Object.entries(globals))
    if (!Object.hasOwn(globalThis, name)) Object.assign(globalThis, { [name]: value })
  const library = create(["enable-dawn-features=disable_workgroup_init"])
  const adapter = await library.requestAdapter({ powerPreference: "high-performance" })
  if (adapter === null) return undefined
  const { architecture, description, device, vendor } = adapter.info
  const all = [description, device, architecture, vendor]
  return {
    library,
    adapter,
    name: all.find((one) => one !== "") ?? "an unnamed adapter",
    software: adapter.info.isFallbackAdapter || software.test(all.join(" ")),
    identity: `${vendor} ${architecture}`.trim() || description
  }
}

/** Looks for an adapter. Never fails. */
export const findAdapter: Effect.Effect<Found | Missing> = Effect.gen(function* () {
  const why = yield* missingVulkan
  if (why !== undefined) return { why, hint: driver }
  return yield* Effect.tryPromise(request).pipe(
    Effect.map((found) => found ?? { why: "WebGPU finds no adapter", hint: driver }),
    Effect.orElseSucceed(() => ({
      why: "the npm package webgpu is not installed or cannot be loaded here",
      hint: "Install it beside Trainyard (npm install webgpu), or take another --backend."
    }))
  )
})

export const isFound = (found: Found | Missing): found is Found => "adapter" in found
