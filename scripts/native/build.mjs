/**
 * Compiles the native engine into a platform package, from the same sources and with the same flags as on a user's machine: for glibc 2.28
 * and newer, and for Windows 10 and newer. All targets are built on any Linux machine by Zig's C++ compiler.
 *
 *     npm run build:native -- --target linux-x64|linux-arm64|win32-x64
 *
 * The result is packages/native-<target>/trainyard.node with identity.json beside it. It is checked before it takes its place: what it asks of
 * the machine, and its kernels, by running them, in an emulator where the target is not this machine, and by disassembling them.
 */
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { compile, headers, identityOf } from "../../packages/backends/src/native/recipe.mjs"
import { root } from "../node.mjs"
import { checkByDisassembling, checkFile } from "./inspect.mjs"
import { checkByRunning } from "./run.mjs"
import { Failure, targetOf } from "./targets.mjs"
import { zigFor } from "./zig.mjs"

/** Compiles one target into its package; gives what the checks found. */
export const buildNative = async (name) => {
  const target = targetOf(name)
  const include = headers()
  if (include === undefined)
    throw new Failure("The npm package node-api-headers is missing. Run npm run setup.")
  const compiler = zigFor(target)
  const folder = join(root, "packages", `native-${name}`)
  const work = join(folder, "build")
  mkdirSync(work, { recursive: true })
  try {
    const output = join(work, "trainyard.node")
    const failure = await compile({
      arch: target.arch,
      compiler,
      include,
      link: ["-s"],
      objects: join(work, "objects"),
      output,
      platform: target.platform
    })
    if (failure !== undefined) throw new Failure(`Zig could not compile it:\n${failure}`)
    const findings = [
      checkFile(output, name),
      checkByDisassembling(output, name),
      await checkByRunning(output, name)
    ]
    writeFileSync(
      join(folder, "identity.json"),
      `${JSON.stringify({ identity: identityOf(), compiler: compiler.version })}\n`
    )
    renameSync(output, join(folder, "trainyard.node"))
    const megabytes = (statSync(join(folder, "trainyard.node")).size / 1e6).toFixed(1)
    return `packages/native-${name}/trainyard.node: ${megabytes} MB; ${findings.join("; ")}`
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
