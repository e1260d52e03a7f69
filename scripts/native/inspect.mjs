/** What is checked in a compiled addon without running it. */
import { spawnSync } from "node:child_process"
import { readElf } from "./elf.mjs"
import { readPe } from "./pe.mjs"
import { Failure, glibc, targets } from "./targets.mjs"

/** Libraries that every machine with the target's system has. */
const ownLibraries = {
  linux: /^(?:lib(?:c|m|dl|rt|pthread)\.so\.\d|ld-linux-.*)$/,
  // The C runtime is part of Windows 10 and newer.
  win32: /^(?:kernel32|ntdll|api-ms-win-crt-[a-z]+-l1-1-0)\.dll$/i
}

/** What every package must be: self-contained, for its processor, with all kernel paths, and old enough for the glibc it promises. */
export const checkFile = (file, name) => {
  const { arch, paths, platform } = targets[name]
  const found = platform === "win32" ? readPe(file) : readElf(file)
  const wrong = []
  if (found.arch !== arch) wrong.push(`it is for ${found.arch}`)
  const [major, minor] = found.glibc ?? [0, 0]
  if (major > glibc[0] || (major === glibc[0] && minor > glibc[1]))
    wrong.push(`it needs glibc ${major}.${minor}, newer than ${glibc.join(".")}`)
  const libraries = found.libraries.filter((library) => !ownLibraries[platform].test(library))
  if (libraries.length > 0) wrong.push(`it needs ${libraries.join(", ")}`)
  if (!found.exports.includes("napi_register_module_v1")) wrong.push("it has no entry point for Node")
  for (const path of paths) if (!found.text.includes(`${path}\0`)) wrong.push(`it has no kernel path ${path}`)
  if (wrong.length > 0) throw new Failure(`The addon for ${name} is wrong: ${wrong.join("; ")}.`)
  return `${arch}, ${platform === "linux" ? `glibc ${major}.${minor}` : "libraries of Windows alone"}, ${paths.length} kernel paths`
}

/** Looks for the vector instructions that the kernels should be made of. */
export const checkByDisassembling = (file, name) => {
  for (const tool of ["llvm-objdump", "aarch64-linux-gnu-objdump", "objdump"]) {
    const { status, stdout } = spawnSync(tool, ["-d", file], { encoding: "utf8", maxBuffer: 2 ** 30 })
    if (status !== 0 || !stdout.includes("\tret")) continue
    const missing = targets[name].instructions.filter((each) => !stdout.includes(`\t${each}`))
    if (missing.length > 0)
      throw new Failure(`The addon for ${name} is wrong: it has no ${missing.join(", ")} instruction.`)
    return `has ${targets[name].instructions.join(", ")} by ${tool}`
  }
  return "not disassembled: no objdump for its processor here"
}
