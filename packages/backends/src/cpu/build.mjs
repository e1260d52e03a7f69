/**
 * Compiles the kernels in assembly/ to build/relaxed.wasm (fused multiply-add) and build/simd.wasm (for runtimes without it). Does
 * nothing when they are up to date.
 *
 *     node packages/backends/src/cpu/build.mjs
 *
 * Plain JavaScript: runs on any Node from 20.
 */
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
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
  const wanted = digest()
  if (stamped() === wanted) return
  const started = Date.now()
  const { default: asc } = await import("assemblyscript/asc")
  mkdirSync(build, { recursive: true })
  for (const binary of binaries) await compile(asc, binary)
  writeFileSync(join(build, "digest"), wanted)
  for (const name of readdirSync(build)) if (/^\d+-/.test(name)) rmSync(join(build, name), { force: true })
  process.stdout.write(`WebAssembly kernels compiled in ${((Date.now() - started) / 1000).toFixed(1)} s.\n`)
}

await main()
