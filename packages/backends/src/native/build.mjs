/**
 * Builds the native engine's addon with the C++ compiler of this machine, as recipe.mjs says. Plain JavaScript for Node 20 and later; needs
 * no Python, no node-gyp and no network: `node-api-headers` from npm holds all that an addon includes.
 *
 *     node packages/backends/src/native/build.mjs [--debug]
 *
 * Without a compiler, or when compiling fails, it prints one sentence, writes the reason to the build's status file (for
 * `trainyard doctor`) and still exits with 0: everything else works without this engine. It does nothing when sources, flags and
 * compiler are those of the last build.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { buildFolder, compile, filesOf, fingerprintOf, headers, identityOf, inClone, run } from "./recipe.mjs"

const debug = process.argv.includes("--debug")
const build = buildFolder()
const files = filesOf(debug)
const addon = join(build, files.addon)
const record = join(build, files.status)
const again = inClone ? "npm run setup" : "npx trainyard doctor --build-native"

/** The first compiler that answers. A CXX that is set is the only one asked. */
const findCompiler = async () => {
  const asked = (process.env.CXX ?? "").trim()
  for (const command of asked === "" ? ["g++", "clang++", "c++"] : [asked]) {
    const [program, ...rest] = command.split(/\s+/)
    const { code, output } = await run(program, [...rest, "--version"])
    if (code === 0) return { program, rest, version: output.split("\n")[0] ?? "" }
  }
  return undefined
}

const readStatus = () => {
  try {
    return JSON.parse(readFileSync(record, "utf8"))
  } catch {
    return undefined
  }
}
const writeStatus = (status) => {
  writeFileSync(`${record}.${process.pid}`, `${JSON.stringify(status)}\n`)
  renameSync(`${record}.${process.pid}`, record)
}

/** Leaves no addon behind, so that an old one is never taken for this one. */
const unavailable = (why, hint, fingerprint) => {
  rmSync(addon, { force: true })
  const before = readStatus()
  writeStatus({ built: false, why, hint, fingerprint })
  // In the repository every command comes by here: the same reason is printed once, and doctor repeats it on request.
  if (inClone && before?.built === false && before.why === why) return
  console.log(`The native engine is not built: ${why}. ${hint} Everything else works without it.`)
}

const main = async () => {
  mkdirSync(build, { recursive: true })
  if (process.platform === "win32") {
    unavailable(
      "it is not compiled on Windows",
      "Install @trainyard/native-win32-x64 where the processor is x64."
    )
    return
  }
  const compiler = await findCompiler()
  if (compiler === undefined) {
    const asked = process.env.CXX
    unavailable(
      asked ? `the compiler named by CXX (${asked}) does not answer` : "this machine has no C++ compiler",
      asked
        ? `Point CXX at a C++17 compiler, or unset it, and run ${again}.`
        : `Install one (Debian and Ubuntu: apt install g++; macOS: xcode-select --install) and run ${again}.`
    )
    return
  }
  const include = headers()
  if (include === undefined) {
    unavailable(
      "the npm package node-api-headers is missing",
      inClone ? "Run npm run setup." : "Run npm install."
    )
    return
  }
  const fingerprint = fingerprintOf(compiler, debug)
  const identity = identityOf(debug)
  const before = readStatus()
  if (before?.fingerprint === fingerprint && (before.built === false || existsSync(addon))) {
    if (before.built && before.identity !== identity) writeStatus({ ...before, identity })
    if (before.built || inClone) return
  }
  const started = Date.now()
  const made = join(build, `${files.addon}.${process.pid}`)
  const objects = join(build, `objects-${process.pid}`)
  const failure = await compile({ compiler, debug, include, objects, output: made })
  if (failure !== undefined) {
    rmSync(made, { force: true })
    writeFileSync(join(build, files.errors), `${failure}\n`)
    unavailable(
      `${compiler.version} could not compile it`,
      `Its messages are in ${join(build, files.errors)}; g++ 12 or later and clang 15 or later are known to be able to.`,
      fingerprint
    )
    return
  }
  renameSync(made, addon)
  writeStatus({ built: true, compiler: compiler.version, fingerprint, identity })
  const seconds = ((Date.now() - started) / 1000).toFixed(0)
  console.log(
    `The native engine${debug ? " (debug build)" : ""} is built with ${compiler.version}, in ${seconds} s.`
  )
}

try {
  await main()
} catch (error) {
  if (!["EACCES", "EPERM", "EROFS", "ENOSPC", "ENOTDIR"].includes(error?.code)) throw error
  console.log(
    `The native engine is not built: ${build} cannot be written (${error.code}). Make it writable${inClone ? "" : ", or point XDG_CACHE_HOME at a folder that is"}, and run ${again}. Everything else works without it.`
  )
}
