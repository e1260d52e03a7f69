/**
 * How the native engine's addon is compiled: its sources, flags and kernel paths, its identity, and where a build of this machine lies.
 * Used by build.mjs (this machine's compiler), by scripts/native/build.mjs (the platform packages) and by addon.ts, which looks for what they
 * made. Plain JavaScript for Node 20, because set-up runs it before anything else is there.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { availableParallelism, homedir } from "node:os"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))

/** Folder of the C++ sources. */
export const sources = join(here, "cpp")

/** Whether this is the repository's own copy, and not an installed package. */
export const inClone = basename(dirname(here)) === "src"

const avx512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"]
/** Each kernel path is compiled for its own kind of processor; the choice is made when the engine starts. */
const pathFlags = {
  portable: [],
  amxEmulated: [],
  avx2: ["-mavx2", "-mfma"],
  avx512,
  avx512bf16: [...avx512, "-mavx512bf16", "-mavx512vnni"],
  amx: [...avx512, "-mavx512bf16", "-mavx512vnni", "-mamx-tile", "-mamx-bf16"]
}
const pathsOf = (arch) => (arch === "x64" ? Object.keys(pathFlags) : ["portable", "amxEmulated"])

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
const wrapped = (debug) =>
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

const optimisation = (debug) =>
  debug
    ? [
        "-O1",
        "-g",
        "-DTRAINYARD_DEBUG",
        // Strings and streams are compiled here too, so that their allocations are the addon's own.
        ...(wrapped(debug).length > 0 ? ["-DTRAINYARD_WRAPPED", "-D_GLIBCXX_EXTERN_TEMPLATE=0"] : []),
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=undefined",
        "-fno-omit-frame-pointer"
      ]
    : ["-O3", "-DNDEBUG"]

const linking = (debug, platform = process.platform) => [
  ...(platform === "darwin" ? ["-dynamiclib", "-undefined", "dynamic_lookup"] : ["-shared"]),
  "-pthread",
  ...(debug ? ["-fsanitize=address,undefined", ...wrapped(debug)] : [])
]

const filesUnder = (folder) =>
  readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? filesUnder(join(folder, entry.name)) : [join(folder, entry.name)]
    )

const hashFiles = (hash) => {
  for (const file of filesUnder(sources))
    hash
      .update(`${file.slice(sources.length).replaceAll("\\", "/")}\0`)
      .update(readFileSync(file))
      .update("\0")
  return hash.digest("hex")
}

/**
 * Digest of what the engine's results depend on: sources and flags, whichever compiler and machine. It enters the cache keys of what is
 * computed, and tells whether a compiled file is of these sources.
 */
export const identityOf = (debug = false) => {
  const flags = [...common, ...optimisation(debug)].filter((flag) => !flag.startsWith("-W"))
  return hashFiles(createHash("sha256").update(`${JSON.stringify([flags, pathFlags])}\0`))
}

/** Digest of everything that a compiled file is made from: as `identityOf`, with the compiler and the flags that change no result. */
export const fingerprintOf = (compiler, debug = false) => {
  const hash = createHash("sha256")
  for (const part of [
    compiler.program,
    compiler.version,
    process.arch,
    ...common,
    ...optimisation(debug),
    ...linking(debug),
    JSON.stringify(pathFlags)
  ])
    hash.update(`${part}\0`)
  return hashFiles(hash)
}

/**
 * Where a build of this machine lies: beside the sources in the repository. For an installed package, in the user's cache folder under the
 * sources' identity, so that it outlives an `npm ci` and several projects share it.
 */
export const buildFolder = () =>
  inClone
    ? join(here, "build")
    : join(
        process.env.XDG_CACHE_HOME || join(homedir(), ".cache"),
        "trainyard",
        "native",
        `${process.platform}-${process.arch}-${identityOf().slice(0, 16)}`
      )

/** Names of a build's files. */
export const filesOf = (debug = false) => ({
  addon: debug ? "trainyard-debug.node" : "trainyard.node",
  status: `status-${debug ? "debug" : "fast"}.json`,
  errors: `errors-${debug ? "debug" : "fast"}.txt`
})

/** Runs a program; resolves to its exit code and its output on both streams. */
export const run = (command, args, options = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd: sources, ...options, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    child.stdout.on("data", (chunk) => (output += chunk))
    child.stderr.on("data", (chunk) => (output += chunk))
    child.on("error", (error) => resolve({ code: 1, output: error.message }))
    child.on("close", (code) => resolve({ code: code ?? 1, output: output.trim() }))
  })

/** Folder of Node's C headers, or undefined when the package that has them is missing. */
export const headers = () => {
  try {
    return createRequire(import.meta.url)("node-api-headers").include_dir
  } catch {
    return undefined
  }
}

/**
 * Compiles and links the addon into the file `output`; `objects` is a folder for what lies between, removed at the end. Resolves to the
 * compiler's messages when it failed, and to undefined when it did not.
 */
export const compile = async ({
  arch = process.arch,
  platform = process.platform,
  compiler,
  debug = false,
  include,
  link = [],
  objects,
  output
}) => {
  mkdirSync(objects, { recursive: true })
  try {
    const paths = pathsOf(arch)
    const units = filesUnder(sources).filter(
      (file) => file.endsWith(".cc") && (dirname(file) === sources || paths.includes(basename(file, ".cc")))
    )
    // The slowest first, so that the cores finish together.
    units.sort((a, b) => Number(dirname(b) !== sources) - Number(dirname(a) !== sources))
    const objectOf = (file) => join(objects, `${basename(file, ".cc")}.o`)
    const failures = []
    const queue = [...units]
    const worker = async () => {
      for (let file = queue.shift(); file !== undefined && failures.length === 0; file = queue.shift()) {
        const { code, output } = await run(compiler.program, [
          ...compiler.rest,
          ...common.filter((flag) => platform !== "win32" || flag !== "-fPIC"),
          ...optimisation(debug),
          ...(arch === "x64" ? (pathFlags[basename(file, ".cc")] ?? []) : []),
          `-I${include}`,
          "-c",
          file,
          "-o",
          objectOf(file)
        ])
        if (code !== 0) failures.push(`${basename(file)}: ${output}`)
        else if (output !== "" && process.env.TRAINYARD_NATIVE_WARNINGS) console.log(output)
      }
    }
    await Promise.all(Array.from({ length: availableParallelism() }, worker))
    if (failures.length === 0) {
      const linked = await run(compiler.program, [
        ...compiler.rest,
        ...linking(debug, platform),
        ...link,
        ...units.map(objectOf),
        "-o",
        output
      ])
      if (linked.code !== 0) failures.push(linked.output)
    }
    return failures.length === 0 ? undefined : failures.join("\n\n")
  } finally {
    rmSync(objects, { recursive: true, force: true })
  }
}
