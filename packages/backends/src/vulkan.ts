/** Whether this system can run Vulkan at all, on which WebGPU depends on Linux. */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Config, Effect } from "effect"

const setting = (name: string) => Effect.orElseSucceed(Config.String(name), () => "")

const someFile = (folder: string): boolean => {
  try {
    return readdirSync(folder).some((file) => file.endsWith(".json"))
  } catch {
    return false
  }
}

/** What a system without a driver lacks. NVIDIA's comes without one where only its computing part is installed or given to a container. */
export const withoutDriver = (nvidia: boolean): string =>
  nvidia
    ? "this system has an NVIDIA GPU but no Vulkan driver for it, which is in the graphics part of NVIDIA's driver, and in containers with NVIDIA_DRIVER_CAPABILITIES=all"
    : "this system has no Vulkan driver"

/**
 * What Vulkan lacks on this Linux system, undefined where nothing. Asked before the `webgpu` package is loaded, which would otherwise
 * complain on standard error. Other systems bring Metal or Direct3D 12.
 */
export const missingVulkan = Effect.gen(function* () {
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
    return "this system has no Vulkan loader (libvulkan.so.1, in Debian's package libvulkan1)"
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
    : withoutDriver(existsSync("/dev/nvidiactl"))
})
