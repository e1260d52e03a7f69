/**
 * Builds the packages for npm: JavaScript and declarations by the compiler, and beside them the files that they open as they run. What
 * can be published lies in build/packages/<name> afterwards, and with --pack as tarballs in build/tarballs.
 *
 *     npm run build [-- --pack]
 */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { rolldown } from "rolldown"
import { identityOf } from "../packages/backends/src/native/recipe.mjs"
import { findNode, root } from "./node.mjs"

/** In the order in which they need each other. */
export const packages = ["core", "backends", "stages", "trainyard"]

/** Packages with the native engine's addon, packed where `npm run build:native` has made it. */
export const nativePackages = () =>
  ["native-linux-x64", "native-linux-arm64"].filter((name) => existsSync(at(name, "trainyard.node")))

const at = (...path) => join(root, "packages", ...path)
const staged = (...path) => join(root, "build", "packages", ...path)

/** Files that a package opens as it runs, from its src to its dist. */
const assets = {
  backends: [
    "cpu/build/relaxed.wasm",
    "cpu/build/simd.wasm",
    "native/build.mjs",
    "native/recipe.mjs",
    "native/cpp"
  ],
  trainyard: ["against/pytorch.py"]
}

/** A development dependency's file that ships inside a package, so that nobody has to install the rest of it. */
const bundled = {
  stages: [
    {
      from: "tree-sitter-c/tree-sitter-c.wasm",
      to: "validate/tree-sitter-c.wasm",
      module: "validate/parseC.js",
      replace: 'import.meta.resolve("tree-sitter-c/tree-sitter-c.wasm")',
      by: 'new URL("./tree-sitter-c.wasm", import.meta.url).href'
    }
  ]
}

const fail = (message) => {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

const run = (command, args, cwd = root) => {
  const { error, status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: "utf8" })
  if (status !== 0) fail(`${command} ${args.join(" ")} failed:\n${stdout ?? ""}${stderr ?? ""}${error ?? ""}`)
  return stdout
}

const rewrite = (file, replace, by) => {
  const text = readFileSync(file, "utf8")
  if (!text.includes(replace)) fail(`${file} no longer holds ${replace}, which the build replaces.`)
  writeFileSync(file, text.replace(replace, by))
}

const compile = (name) => {
  rmSync(at(name, "dist"), { recursive: true, force: true })
  run(findNode() ?? process.execPath, [
    join(root, "node_modules/typescript/bin/tsc"),
    "-p",
    at(name, "tsconfig.build.json")
  ])
  for (const path of assets[name] ?? [])
    cpSync(at(name, "src", path), at(name, "dist", path), { recursive: true })
  for (const { by, from, module, replace, to } of bundled[name] ?? []) {
    cpSync(join(root, "node_modules", from), at(name, "dist", to))
    rewrite(at(name, "dist", module), replace, by)
  }
}

/** gpu.js as one file: installed by name it brings a second copy of webgpu and a package with an install script. */
const bundleGpuJs = async () => {
  const bundle = await rolldown({
    input: "gpu.js",
    cwd: at("backends"),
    platform: "node",
    external: ["gl", "webgpu"]
  })
  await bundle.write({ file: at("backends", "dist", "gpujs", "gpu.js"), format: "esm", minify: false })
  await bundle.close()
  rewrite(at("backends", "dist", "gpujs", "library.js"), 'from "gpu.js"', 'from "./gpu.js"')
  cpSync(join(root, "node_modules/gpu.js/LICENSE"), at("backends", "dist", "gpujs", "gpu.js.LICENSE"))
}

/** The platform packages in the version in which they are packed, for the manifest of the package that loads them. */
const nativeDependencies = () =>
  Object.fromEntries(
    nativePackages().map((name) => {
      const manifest = JSON.parse(readFileSync(at(name, "package.json"), "utf8"))
      return [manifest.name, manifest.version]
    })
  )

/** The manifest as it is published: what only this repository uses is left out. */
const publishable = (manifest) => {
  const { devDependencies: _, private: __, ...rest } = manifest
  // Not in the repository's own manifest: there npm would ask its registry for what is built here.
  if (manifest.name === "@trainyard/backends") rest.optionalDependencies = nativeDependencies()
  const exports = Object.fromEntries(
    Object.entries(manifest.exports)
      .filter(([path]) => path !== "./*")
      .map(([path, target]) => {
        if (typeof target === "string") return [path, target]
        const { "trainyard-source": ___, ...conditions } = target
        return [path, conditions]
      })
  )
  return { ...rest, exports }
}

const stage = (name) => {
  const manifest = JSON.parse(readFileSync(at(name, "package.json"), "utf8"))
  mkdirSync(staged(name), { recursive: true })
  for (const path of ["dist", "bin", "README.md"]) {
    if (existsSync(at(name, path))) cpSync(at(name, path), staged(name, path), { recursive: true })
  }
  cpSync(join(root, "LICENSE"), staged(name, "LICENSE"))
  writeFileSync(staged(name, "package.json"), `${JSON.stringify(publishable(manifest), null, 2)}\n`)
}

/** A platform package is what lies in its folder; an addon of other sources than these must not be published. */
const stageNative = (name) => {
  const { identity } = JSON.parse(readFileSync(at(name, "identity.json"), "utf8"))
  if (identity !== identityOf())
    fail(
      `packages/${name} was compiled from other sources than these. Run npm run build:native -- --target ${name.replace("native-", "")}.`
    )
  mkdirSync(staged(name), { recursive: true })
  for (const path of ["package.json", "README.md", "trainyard.node", "identity.json"])
    cpSync(at(name, path), staged(name, path))
  cpSync(join(root, "LICENSE"), staged(name, "LICENSE"))
}

const pack = (name) => {
  const tarballs = join(root, "build", "tarballs")
  mkdirSync(tarballs, { recursive: true })
  run("npm", ["pack", "--silent", "--pack-destination", tarballs], staged(name))
}

/** Builds all packages; gives the tarballs' folder when they are packed. */
export const build = async ({ tarballs = false } = {}) => {
  rmSync(join(root, "build"), { recursive: true, force: true })
  for (const name of packages) {
    compile(name)
    if (name === "backends") await bundleGpuJs()
    stage(name)
    if (tarballs) pack(name)
  }
  for (const name of nativePackages()) {
    stageNative(name)
    if (tarballs) pack(name)
  }
}

const asked = process.argv[1]
if (asked !== undefined && import.meta.url === pathToFileURL(asked).href) {
  const tarballs = process.argv.includes("--pack")
  await build({ tarballs })
  const made = tarballs ? readdirSync(join(root, "build", "tarballs")) : [...packages, ...nativePackages()]
  process.stdout.write(`Built ${made.join(", ")} in build/${tarballs ? "tarballs" : "packages"}.\n`)
}
