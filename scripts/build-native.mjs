/**
 * Compiles the native engine into a platform package, from the same sources and with the same flags as on a user's machine, for glibc 2.28
 * and newer. Both targets are built on any Linux machine by Zig's C++ compiler, which comes from PyPI (180 MB, kept under node_modules/.cache).
 *
 *     npm run build:native -- --target linux-x64|linux-arm64
 *
 * The result is packages/native-<target>/trainyard.node with identity.json beside it. It is checked before it takes its place: what it asks of
 * the machine, and its kernels, by running them, in an emulator where the target is not this machine, and by disassembling them.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { compile, headers, identityOf } from "../packages/backends/src/native/recipe.mjs"
import { readElf } from "./elf.mjs"
import { findNode, root } from "./node.mjs"

const zigVersion = "0.17.1"
/** The oldest glibc that the packages run with. */
const glibc = [2, 28]

/** Names of the kernel paths in each package, as the addon's dispatch gives them. */
const targets = {
  "linux-x64": {
    arch: "x64",
    triple: "x86_64-linux-gnu",
    paths: ["amx", "avx512-bf16", "avx512", "avx2", "portable", "amx-emulated"],
    // One instruction that only this package's fastest kernels have.
    instructions: ["tdpbf16ps", "vdpbf16ps", "vfmadd"]
  },
  "linux-arm64": {
    arch: "arm64",
    triple: "aarch64-linux-gnu",
    paths: ["portable", "amx-emulated"],
    instructions: ["fmla"],
    emulator: "qemu-aarch64",
    libraries: "/usr/aarch64-linux-gnu"
  }
}

class Failure extends Error {}

const quiet = (command, args, options) => spawnSync(command, args, { encoding: "utf8", ...options })

/** Puts Zig into a virtual environment of Python where it is not there yet; gives that environment's Python. */
export const installZig = (folder, systemPython = "python3") => {
  const python = join(folder, "bin", "python")
  const works = () => quiet(python, ["-m", "ziglang", "version"]).status === 0
  if (works()) return python
  const made = quiet(systemPython, ["-m", "venv", folder])
  if (made.status !== 0) {
    const why = (made.error?.message ?? `${made.stdout}${made.stderr}`).trim().split("\n")[0]
    throw new Failure(
      `Zig cannot be installed: this machine has no Python 3 with venv and pip (${why}). On Debian or Ubuntu: apt-get install python3-venv.`
    )
  }
  process.stderr.write(`Installing ziglang ${zigVersion} from PyPI ...\n`)
  const options = ["--quiet", "--disable-pip-version-check"]
  const installed = quiet(python, ["-m", "pip", "install", ...options, `ziglang==${zigVersion}`])
  if (installed.status === 0 && works()) return python
  rmSync(folder, { recursive: true, force: true })
  throw new Failure(
    `Zig cannot be installed: pip could not install ziglang ${zigVersion}. Its messages:\n${installed.stdout}${installed.stderr}`.trim()
  )
}

/** Zig as a C++ compiler for a target. */
const zig = (target) => ({
  program: installZig(join(root, "node_modules", ".cache", `ziglang-${zigVersion}`)),
  rest: ["-m", "ziglang", "c++", "-target", `${targets[target].triple}.${glibc.join(".")}`],
  version: `Zig ${zigVersion}`
})

/** What every package must be: self-contained, for its processor, with all kernel paths, and old enough for the glibc it promises. */
export const checkFile = (file, target) => {
  const { arch, paths } = targets[target]
  const elf = readElf(file)
  const wrong = []
  if (elf.arch !== arch) wrong.push(`it is for ${elf.arch}`)
  const [major, minor] = elf.glibc ?? [0, 0]
  if (major > glibc[0] || (major === glibc[0] && minor > glibc[1]))
    wrong.push(`it needs glibc ${major}.${minor}, newer than ${glibc.join(".")}`)
  const libraries = elf.libraries.filter(
    (name) => !/^(?:lib(?:c|m|dl|rt|pthread)\.so\.\d|ld-linux-.*)$/.test(name)
  )
  if (libraries.length > 0) wrong.push(`it needs ${libraries.join(", ")}`)
  if (!elf.exports.includes("napi_register_module_v1")) wrong.push("it has no entry point for Node")
  for (const path of paths) if (!elf.text.includes(`\0${path}\0`)) wrong.push(`it has no kernel path ${path}`)
  if (wrong.length > 0) throw new Failure(`The addon for ${target} is wrong: ${wrong.join("; ")}.`)
  return `${arch}, glibc ${major}.${minor}, ${paths.length} kernel paths`
}

/** Runs every kernel path that the processor has, with small training steps beside reference. `node` is the command that starts Node. */
const checkByRunning = (file, target, node = [findNode() ?? process.execPath]) => {
  const script = pathToFileURL(join(root, "scripts", "check-native.ts")).href
  const { status, stderr, stdout } = quiet(node[0], [
    ...node.slice(1),
    "--conditions=trainyard-source",
    "--input-type=module",
    "--eval",
    `import(${JSON.stringify(script)}).then(({ check }) => check(${JSON.stringify(file)}, ${JSON.stringify(targets[target].paths)}))`
  ])
  if (status !== 0)
    throw new Failure(`The addon for ${target} does not work:\n${`${stdout}${stderr}`.trim()}`)
  return stdout.trim()
}

/** Node for another processor, from npm; kept under node_modules/.cache. Undefined where npm cannot fetch it. */
const foreignNode = (target) => {
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  const [name, folder] = [`node-${target}`, join(root, "node_modules", ".cache", `node-${target}`)]
  const node = join(folder, "package", "bin", "node")
  if (existsSync(node)) return node
  mkdirSync(folder, { recursive: true })
  const packed = quiet("npm", ["pack", "--silent", `${name}@${optionalDependencies[name]}`], { cwd: folder })
  const unpacked = packed.status === 0 && quiet("tar", ["xzf", packed.stdout.trim()], { cwd: folder })
  return unpacked && unpacked.status === 0 ? node : undefined
}

/** Runs the kernels in an emulator of the target's processor (Debian's qemu-user with libc6-arm64-cross), where there is one. */
const checkByEmulating = (file, target) => {
  const { emulator, libraries } = targets[target]
  if (quiet(emulator, ["--version"]).status !== 0 || !existsSync(libraries))
    return `not run: no ${emulator} with ${libraries} here`
  const node = foreignNode(target)
  if (node === undefined) return `not run: npm has no Node for ${target} here`
  return `${checkByRunning(file, target, [emulator, "-L", libraries, node])} in ${emulator}`
}

/** Looks for the vector instructions that the kernels should be made of. */
const checkByDisassembling = (file, target) => {
  for (const tool of ["llvm-objdump", "aarch64-linux-gnu-objdump", "objdump"]) {
    const { status, stdout } = quiet(tool, ["-d", file], { maxBuffer: 2 ** 30 })
    if (status !== 0 || !stdout.includes("\tret")) continue
    const missing = targets[target].instructions.filter((each) => !stdout.includes(`\t${each}`))
    if (missing.length > 0)
      throw new Failure(`The addon for ${target} is wrong: it has no ${missing.join(", ")} instruction.`)
    return `has ${targets[target].instructions.join(", ")} by ${tool}`
  }
  return "not disassembled: no objdump for its processor here"
}

/** Compiles one target into its package; gives what the checks found. */
export const buildNative = async (target) => {
  if (!Object.hasOwn(targets, target ?? ""))
    throw new Failure(`Say for what to compile: --target ${Object.keys(targets).join(" or --target ")}.`)
  const include = headers()
  if (include === undefined)
    throw new Failure("The npm package node-api-headers is missing. Run npm run setup.")
  const compiler = zig(target)
  const folder = join(root, "packages", `native-${target}`)
  const work = join(folder, "build")
  mkdirSync(work, { recursive: true })
  try {
    const output = join(work, "trainyard.node")
    const failure = await compile({
      arch: targets[target].arch,
      compiler,
      include,
      link: ["-s"],
      objects: join(work, "objects"),
      output
    })
    if (failure !== undefined) throw new Failure(`Zig could not compile it:\n${failure}`)
    const findings = [checkFile(output, target), checkByDisassembling(output, target)]
    if (target === `${process.platform}-${process.arch}`) findings.push(checkByRunning(output, target))
    else if (targets[target].emulator !== undefined) findings.push(checkByEmulating(output, target))
    writeFileSync(
      join(folder, "identity.json"),
      `${JSON.stringify({ identity: identityOf(), compiler: compiler.version })}\n`
    )
    renameSync(output, join(folder, "trainyard.node"))
    const megabytes = (statSync(join(folder, "trainyard.node")).size / 1e6).toFixed(1)
    return `packages/native-${target}/trainyard.node: ${megabytes} MB; ${findings.join("; ")}`
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const asked = process.argv[1]
if (asked !== undefined && import.meta.url === pathToFileURL(asked).href) {
  const at = process.argv.indexOf("--target")
  try {
    process.stdout.write(`${await buildNative(at < 0 ? undefined : process.argv[at + 1])}\n`)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
