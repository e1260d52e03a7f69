/**
 * Builds the native engine's addon with whatever C++ compiler this machine has. Plain JavaScript for Node 20 and later; needs no
 * Python, no node-gyp and no network: `node-api-headers` from npm holds all that an addon includes.
 *
 *     node packages/backends/src/native/build.mjs [--debug]
 *
 * Without a compiler, or when compiling fails, it says so in one sentence, writes the reason to build/status.json (for
 * `trainyard doctor`) and still exits with 0: everything else works without this engine. It does nothing when sources, flags and
 * compiler are those of the last build.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { availableParallelism } from "node:os"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const sources = join(here, "cpp")
const build = join(here, "build")
const debug = process.argv.includes("--debug")
const variant = debug ? "debug" : "fast"
const addon = join(build, debug ? "trainyard-debug.node" : "trainyard.node")
const record = join(build, `status-${variant}.json`)

const avx512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"]
/** Each kernel path is compiled for its own kind of processor; the choice is made when the engine starts. */
const pathFlags = {
  portable: [],
  amxEmulated: [],
  avx2: ["-mavx2", "-mfma"],
  avx512,
  avx512bf16: [...avx512, "-mavx512bf16"],
  amx: [...avx512, "-mavx512bf16", "-mamx-tile", "-mamx-bf16"]
}
const x86 = process.arch === "x64"
const paths = x86 ? Object.keys(pathFlags) : ["portable", "amxEmulated"]

// -Wno-psabi: vectors wider than the baseline's registers never cross a call. -Wno-uninitialized: g++ 12 warns of its own headers.
const common = [
  "-std=c++17",
  "-fPIC",
  "-fvisibility=hidden",
  "-pthread",
  "-ffp-contract=fast",
  "-Wall",
  "-Wextra",
  "-Wno-psabi",
  "-Wno-unused-function",
  "-Wno-unknown-pragmas",
  "-Wno-uninitialized",
  "-Wno-maybe-uninitialized",
  "-Wno-ignored-attributes"
]
/** In the debug build, calls that may fail pass by cpp/faults.cc; what only that linker can do is left out elsewhere. */
const wrapped =
  debug && process.platform === "linux"
    ? [
        "_Znwm",
        "_ZnwmSt11align_val_t",
        "napi_create_external",
        "napi_create_threadsafe_function",
        "napi_add_env_cleanup_hook",
        "napi_open_handle_scope",
        "napi_get_element",
        "napi_get_named_property",
        "napi_create_array",
        "napi_create_double",
        "napi_create_string_utf8"
      ].map((name) => `-Wl,--wrap=${name}`)
    : []
const optimisation = debug
  ? [
      "-O1",
      "-g",
      "-DTRAINYARD_DEBUG",
      // Strings and streams are compiled here too, so that their allocations are the addon's own.
      ...(wrapped.length > 0 ? ["-DTRAINYARD_WRAPPED", "-D_GLIBCXX_EXTERN_TEMPLATE=0"] : []),
      "-fsanitize=address,undefined",
      "-fno-sanitize-recover=undefined",
      "-fno-omit-frame-pointer"
    ]
  : ["-O3", "-DNDEBUG"]

/** Runs a program; resolves to its exit code and what it said. */
const run = (command, args) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd: sources, stdio: ["ignore", "pipe", "pipe"] })
    let said = ""
    child.stdout.on("data", (chunk) => (said += chunk))
    child.stderr.on("data", (chunk) => (said += chunk))
    child.on("error", (error) => resolve({ code: 1, said: error.message }))
    child.on("close", (code) => resolve({ code: code ?? 1, said: said.trim() }))
  })

/** The first compiler that answers. A CXX that is set is the only one asked. */
const findCompiler = async () => {
  const asked = (process.env.CXX ?? "").trim()
  for (const command of asked === "" ? ["g++", "clang++", "c++"] : [asked]) {
    const [program, ...rest] = command.split(/\s+/)
    const { code, said } = await run(program, [...rest, "--version"])
    if (code === 0) return { program, rest, version: said.split("\n")[0] ?? "" }
  }
  return undefined
}

const headers = () => {
  try {
    return createRequire(import.meta.url)("node-api-headers").include_dir
  } catch {
    return undefined
  }
}

const filesUnder = (folder) =>
  readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? filesUnder(join(folder, entry.name)) : [join(folder, entry.name)]
    )

const readStatus = () => {
  try {
    return JSON.parse(readFileSync(record, "utf8"))
  } catch {
    return undefined
  }
}
const exists = (path) => {
  try {
    readFileSync(path)
    return true
  } catch {
    return false
  }
}
const writeStatus = (status) => {
  mkdirSync(build, { recursive: true })
  writeFileSync(`${record}.${process.pid}`, `${JSON.stringify(status)}\n`)
  renameSync(`${record}.${process.pid}`, record)
}

/** What the engine's results rest on: sources and flags, whichever compiler and machine. It enters the names of what is computed. */
const identityOf = (files) => {
  const hash = createHash("sha256")
  const flags = [...common, ...optimisation].filter((flag) => !flag.startsWith("-W"))
  hash.update(`${JSON.stringify([flags, pathFlags])}\0`)
  for (const file of files)
    hash
      .update(`${file.slice(sources.length).replaceAll("\\", "/")}\0`)
      .update(readFileSync(file))
      .update("\0")
  return hash.digest("hex")
}

/** Leaves no addon behind, so that an old one is never taken for this one. */
const unavailable = (why, hint, fingerprint) => {
  rmSync(addon, { force: true })
  const before = readStatus()
  writeStatus({ built: false, why, hint, fingerprint })
  // Said once: every command comes by here, and doctor repeats it for whoever asks.
  if (before?.built === false && before.why === why) return
  console.log(`The native engine is not built: ${why}. ${hint} Everything else works without it.`)
}

const main = async () => {
  const compiler = process.platform === "win32" ? undefined : await findCompiler()
  if (compiler === undefined) {
    const asked = process.env.CXX
    unavailable(
      asked ? `the compiler named by CXX (${asked}) does not answer` : "this machine has no C++ compiler",
      asked
        ? "Point CXX at a C++17 compiler, or unset it, and run npm run setup."
        : "Install one (Debian and Ubuntu: apt install g++; macOS: xcode-select --install) and run npm run setup."
    )
    return
  }
  const include = headers()
  if (include === undefined) {
    unavailable("the npm package node-api-headers is missing", "Run npm run setup.")
    return
  }
  const link = process.platform === "darwin" ? ["-dynamiclib", "-undefined", "dynamic_lookup"] : ["-shared"]
  const files = filesUnder(sources)
  const hash = createHash("sha256")
  for (const part of [
    compiler.program,
    compiler.version,
    process.arch,
    ...common,
    ...optimisation,
    ...link,
    ...wrapped,
    JSON.stringify(pathFlags)
  ])
    hash.update(`${part}\0`)
  for (const file of files) hash.update(`${file.slice(sources.length)}\0`).update(readFileSync(file))
  const fingerprint = hash.digest("hex")
  const before = readStatus()
  const identity = identityOf(files)
  if (before?.fingerprint === fingerprint && (before.built === false || exists(addon))) {
    if (before.built && before.identity !== identity) writeStatus({ ...before, identity })
    return
  }

  const started = Date.now()
  const objects = join(build, `objects-${variant}-${process.pid}`)
  mkdirSync(objects, { recursive: true })
  try {
    const units = files.filter(
      (file) => file.endsWith(".cc") && (dirname(file) === sources || paths.includes(basename(file, ".cc")))
    )
    // The slowest first, so that the cores finish together.
    units.sort((a, b) => Number(dirname(b) !== sources) - Number(dirname(a) !== sources))
    const failures = []
    const queue = [...units]
    const worker = async () => {
      for (let file = queue.shift(); file !== undefined && failures.length === 0; file = queue.shift()) {
        const flags = x86 ? (pathFlags[basename(file, ".cc")] ?? []) : []
        const { code, said } = await run(compiler.program, [
          ...compiler.rest,
          ...common,
          ...optimisation,
          ...flags,
          `-I${include}`,
          "-c",
          file,
          "-o",
          join(objects, `${basename(file, ".cc")}.o`)
        ])
        if (code !== 0) failures.push(`${basename(file)}: ${said}`)
        else if (said !== "" && process.env.TRAINYARD_NATIVE_WARNINGS) console.log(said)
      }
    }
    await Promise.all(Array.from({ length: availableParallelism() }, worker))
    const made = join(objects, "addon.node")
    if (failures.length === 0) {
      const linked = await run(compiler.program, [
        ...compiler.rest,
        ...link,
        "-pthread",
        ...(debug ? ["-fsanitize=address,undefined", ...wrapped] : []),
        ...units.map((file) => join(objects, `${basename(file, ".cc")}.o`)),
        "-o",
        made
      ])
      if (linked.code !== 0) failures.push(linked.said)
    }
    if (failures.length > 0) {
      writeFileSync(join(build, `errors-${variant}.txt`), `${failures.join("\n\n")}\n`)
      unavailable(
        `${compiler.version} could not compile it`,
        `Its words are in ${join(build, `errors-${variant}.txt`)}; g++ 12 or later and clang 15 or later are known to be able to.`,
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
  } finally {
    rmSync(objects, { recursive: true, force: true })
  }
}

await main()
