/** The platform packages of the native engine: what each is compiled for, and what it must hold. */

/** The oldest glibc that the packages for Linux run with. */
export const glibc = [2, 28]

export class Failure extends Error {}

const x64 = {
  arch: "x64",
  /** Names of the kernel paths, as the addon's dispatch gives them. */
  paths: ["amx", "avx512-bf16", "avx512", "avx2", "portable", "amx-emulated"],
  // One instruction that only these kernels have.
  instructions: ["tdpbf16ps", "vdpbf16ps", "vfmadd"]
}

export const targets = {
  "linux-x64": { ...x64, platform: "linux", triple: `x86_64-linux-gnu.${glibc.join(".")}` },
  "linux-arm64": {
    platform: "linux",
    arch: "arm64",
    triple: `aarch64-linux-gnu.${glibc.join(".")}`,
    paths: ["portable", "amx-emulated"],
    instructions: ["fmla"]
  },
  "win32-x64": { ...x64, platform: "win32", triple: "x86_64-windows-gnu" }
}

/** The target of that name. */
export const targetOf = (name) => {
  if (!Object.hasOwn(targets, name ?? ""))
    throw new Failure(`Say for what to compile: --target ${Object.keys(targets).join(" or --target ")}.`)
  return targets[name]
}
