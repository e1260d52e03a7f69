/**
 * Makes a fresh clone ready: installs what package-lock.json names when that is not what is there, then builds the kernels. Says
 * what it does on standard error, in short lines; says nothing when there is nothing to do.
 *
 *     npm run setup
 *
 * Plain JavaScript for Node 20: nothing is installed yet when this runs.
 */
import { spawn } from "node:child_process"
import { existsSync, readFileSync, realpathSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { environment, findNode, noNode, root } from "./node.mjs"

const say = (line) => process.stderr.write(`${line}\n`)

const readLock = (path) => {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages
  } catch {
    return undefined
  }
}

/**
 * What keeps node_modules from being what package-lock.json names, or undefined when it is. npm writes its own record as the
 * last thing, so an installation that was cut off shows as missing.
 */
const missing = () => {
  const wanted = readLock(join(root, "package-lock.json"))
  const present = readLock(join(root, "node_modules", ".package-lock.json"))
  if (wanted === undefined) return "there is no readable package-lock.json"
  if (present === undefined) return "nothing is installed yet"
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.startsWith("node_modules/") || entry.optional || entry.devOptional || entry.peer) continue
    const found = present[path]
    if (found === undefined) return `${path.slice("node_modules/".length)} is missing`
    if (found.version !== entry.version)
      return `${path.slice("node_modules/".length)} should be ${entry.version}`
  }
  return undefined
}

/** Runs a program and collects what it says on both streams. */
const collect = (command, args) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env: environment(), stdio: ["ignore", "pipe", "pipe"] })
    let said = ""
    child.stdout.on("data", (chunk) => (said += chunk))
    child.stderr.on("data", (chunk) => (said += chunk))
    child.on("error", (error) => resolve({ code: 1, said: error.message }))
    child.on("close", (code) => resolve({ code: code ?? 1, said: said.trim() }))
  })

/** npm, in the same version that runs this script where npm runs it. */
const npm = () => {
  const script = process.env.npm_execpath
  if (script !== undefined && /npm-cli\.c?js$/.test(script)) return [process.execPath, [script]]
  return process.platform === "win32" ? ["cmd.exe", ["/d", "/s", "/c", "npm"]] : ["npm", []]
}

const install = async (why) => {
  say(`Set-up: ${why}; npm installs the dependencies (about a minute) ...`)
  const started = Date.now()
  const [command, args] = npm()
  // Not `npm ci`: that refuses a lock file made where a registry lacked some other platform's optional packages.
  const { code, said } = await collect(command, [...args, "install", "--no-save", "--no-audit", "--no-fund"])
  if (code === 0) {
    say(`Set-up: dependencies installed in ${((Date.now() - started) / 1000).toFixed(0)} s.`)
    return true
  }
  if (said !== "") say(said)
  say(
    "Set-up: npm could not install the dependencies; its own words are above. Check that this machine reaches npm's registry " +
      "(npm ping) and that the disk has 1 GB free, then run the same command again."
  )
  return false
}

/**
 * The parts built on this machine. A builder looks for itself whether there is anything to do and is quick when there is not; it
 * says in one line what it did. `needed` tells whether Trainyard can go on without.
 */
const parts = [
  { name: "WebAssembly kernels", builder: "packages/backends/src/cpu/build.mjs", needed: true },
  { name: "native engine", builder: "packages/backends/src/native/build.mjs", needed: false }
].map((part) => ({ ...part, builder: join(root, part.builder) }))

const build = async (part, node) => {
  if (!existsSync(part.builder)) return true
  const { code, said } = await collect(node, [part.builder])
  if (code === 0) {
    if (said !== "") for (const line of said.split("\n")) say(`Set-up: ${line}`)
    return true
  }
  if (part.needed) {
    if (said !== "") say(said)
    say(`Set-up: the ${part.name} could not be built; the words of ${part.builder} are above.`)
    return false
  }
  const last = said.split("\n").at(-1) ?? ""
  say(`Set-up: the ${part.name} is not available here and is left out. ${last}`.trimEnd())
  return true
}

/** Does what is to be done. True when Trainyard can run. */
export const setup = async () => {
  const why = missing()
  if (why !== undefined && !(await install(why))) return false
  const node = findNode()
  if (node === undefined) {
    say(noNode())
    return false
  }
  const built = await Promise.all(parts.map((part) => build(part, node)))
  return built.every(Boolean)
}

const asked = process.argv[1]
if (asked !== undefined && import.meta.url === pathToFileURL(realpathSync(asked)).href) {
  const ready = await setup()
  if (ready) say("Set-up: ready.")
  process.exitCode = ready ? 0 : 1
}
