/** Where Vulkan has no driver but Debian's Chromium is installed, its SwiftShader is one: it computes on the processor. */
import { existsSync } from "node:fs"

const manifest = "/usr/lib/chromium/vk_swiftshader_icd.json"
const named = ["VK_ICD_FILENAMES", "VK_DRIVER_FILES", "VK_ADD_DRIVER_FILES"]

if (existsSync(manifest) && named.every((name) => process.env[name] === undefined))
  process.env.VK_ADD_DRIVER_FILES = manifest
