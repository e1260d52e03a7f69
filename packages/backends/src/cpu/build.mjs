/**
 * Compiles the kernels in assembly/ to build/relaxed.wasm (fused multiply-add) and build/simd.wasm (for runtimes without it). Does
 * nothing when they are up to date.
 *
 *     node packages/backends/src/cpu/build.mjs
 *
 * Plain JavaScript: runs on any Node from 20.
 */
import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const sources = join(here, "assembly")
const build = join(here, "build")

const binaries = [
  { name: "relaxed.wasm", features: ["simd", "threads", "relaxed-simd"] },
  { name: "simd.wasm", features: ["simd", "threads"] }
]

/** The list that a source file has under this pattern, as it is written. */
const listed = (file, pattern) => {
  const found = pattern.exec(readFileSync(join(here, file), "utf8"))
  if (found === null) throw new Error(`${file} has no list of the form ${pattern}.`)
  return found[1]
}

/** The functions that kernels are, by name: which module exports them and what they take. */
const tasks = () => {
  const found = new Map()
  for (const file of readdirSync(sources))
    for (const [, name, values] of readFileSync(join(sources, file), "utf8").matchAll(
      /^export function (\w+Task)\(([^)]*)\)/gm
    ))
      found.set(name, { module: file.replace(/\.ts$/, ""), values: values.match(/\w+(?=:)/g).join(", ") })
  return found
}

/** Writes `generated.ts` among the sources, so that kernels and functions are numbered in one place. */
const generate = () => {
  const declared = tasks()
  const kernels = listed("kernels.ts", /const names = \[([^\]]*)\]/)
    .match(/\w+/g)
    .map((kernel) => {
      const task = declared.get(`${kernel}Task`)
      if (task === undefined) throw new Error(`No file of assembly/ exports a function ${kernel}Task.`)
      return { name: `${kernel}Task`, ...task }
    })
  const arity = listed("../program/Formula.ts", /export const arity = \{([^}]*)\}/)
  const functions = [...arity.matchAll(/(\w+): (\d)/g)].map(([, name, count]) => ({ name, count }))
  const modules = [...new Set(kernels.map(({ module }) => module))].sort()
  const namesOf = (module) => kernels.flatMap((kernel) => (kernel.module === module ? [kernel.name] : []))
  const chosen = (cases) => [
    "  switch (kind) {",
    ...cases.map((result, number) => `    case ${number}:\n      return ${result}`),
    "    default:\n      unreachable()"
  ]
  const text = [
    "// Made by ../build.mjs from ../kernels.ts and ../../program/Formula.ts: the kernels and a formula's functions by number.",
    ...modules.map((module) => `import { ${namesOf(module).join(", ")} } from "./${module}"`),
    "",
    ...functions.map(({ name }, number) => `export const ${name.toUpperCase()}: i32 = ${number}`),
    "",
    "/** How many arguments a function takes. */",
    "export function takes(kind: i32): i32 {",
    ...chosen(functions.map(({ count }) => count)),
    "  }\n  return 0\n}",
    "",
    "/** Runs one task of a kernel; `a` is the address of the arguments. */",
    "export function run(kind: i32, a: usize, task: i32, scratch: usize): void {",
    ...chosen(kernels.map(({ name, values }) => `${name}(${values})`)),
    "  }\n}\n"
  ].join("\n")
  const file = join(sources, "generated.ts")
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text)
}

/** A digest of all that the binaries are made from. */
const digest = () => {
  const hash = createHash("sha256")
  const names = readdirSync(sources)
    .filter((name) => name.endsWith(".ts"))
    .sort()
  for (const name of names) hash.update(name).update(readFileSync(join(sources, name)))
  hash.update(readFileSync(fileURLToPath(import.meta.url)))
  hash.update(readFileSync(createRequire(import.meta.url).resolve("assemblyscript/package.json")))
  return hash.digest("hex")
}

const stamped = () => {
  try {
    for (const { name } of binaries) readFileSync(join(build, name))
    return readFileSync(join(build, "digest"), "utf8")
  } catch {
    return undefined
  }
}

const compile = async (asc, { features, name }) => {
  // Written beside its place and renamed, so that a second builder or a reader never sees half a file.
  const beside = join(build, `${process.pid}-${name}`)
  const options = [
    join(sources, "index.ts"),
    ...["--outFile", beside, "-O3", "--noAssert", "--runtime", "stub"],
    ...features.flatMap((feature) => ["--enable", feature]),
    ...["--importMemory", "--noExportMemory", "--sharedMemory", "--initialMemory", "1"],
    ...["--maximumMemory", "65536", "--memoryBase", "6144"]
  ]
  const { error, stderr } = await asc.main(options)
  if (error) throw new Error(`${stderr.toString()}\n${error.message}`)
  renameSync(beside, join(build, name))
}

const main = async () => {
  generate()
  const wanted = digest()
  if (stamped() === wanted) {
    // Not older than its sources, for those who compare no digests.
    for (const { name } of binaries) utimesSync(join(build, name), new Date(), new Date())
    return
  }
  const started = Date.now()
  const { default: asc } = await import("assemblyscript/asc")
  mkdirSync(build, { recursive: true })
  for (const binary of binaries) await compile(asc, binary)
  writeFileSync(join(build, "digest"), wanted)
  for (const name of readdirSync(build)) if (/^\d+-/.test(name)) rmSync(join(build, name), { force: true })
  process.stdout.write(`WebAssembly kernels compiled in ${((Date.now() - started) / 1000).toFixed(1)} s.\n`)
}

await main()
