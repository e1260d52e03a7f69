/** What WebGPU finds on this machine: the adapter that runs kernels, or why there is none. */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Config, Effect, Option } from "effect"

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

const setting = (name: string) =>
  Effect.map(Effect.orElseSucceed(Effect.option(Config.String(name)), Option.none), (found) =>
    Option.getOrElse(found, () => "")
  )

const someFile = (folder: string): boolean => {
  try {
    return readdirSync(folder).some((file) => file.endsWith(".json"))
  } catch {
    return false
  }
}

/**
 * What Vulkan lacks on this Linux system, undefined where nothing. Asked before the `webgpu` package is loaded, which would otherwise
 * complain on standard error. Other systems bring Metal or Direct3D 12.
 */
const lacking = Effect.gen(function* () {
  if (process.platform !== "linux") return undefined
  const libraries = (yield* setting("LD_LIBRARY_PATH")).split(":")
  const folders = ["/usr/lib", "/lib", "/usr/local/lib"].flatMap((folder) => [
    folder,
    `${folder}64`,
    `${folder}/x86_64-linux-gnu`,
    `${folder}/aarch64-linux-gnu`
  ])
  if (
    ![...libraries, ...folders].some((folder) => folder !== "" && existsSync(join(folder, "libvulkan.so.1")))
  )
    return "this system has no Vulkan loader (libvulkan.so.1)"
  const named = `${yield* setting("VK_DRIVER_FILES")}:${yield* setting("VK_ICD_FILENAMES")}:${yield* setting("VK_ADD_DRIVER_FILES")}`
  if (named.split(":").some((file) => file !== "" && existsSync(file))) return undefined
  const data = [
    ...((yield* setting("XDG_DATA_DIRS")) || "/usr/local/share:/usr/share").split(":"),
    (yield* setting("XDG_DATA_HOME")) || join(yield* setting("HOME"), ".local/share"),
    "/etc",
    "/usr/local/etc"
  ]
  return data.some((folder) => folder !== "" && someFile(join(folder, "vulkan/icd.d")))
    ? undefined
    : "this system has no Vulkan driver"
})

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
  const why = yield* lacking
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
