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
import { identityOf } from "../packages/backends/src/native/recipe.mjs"
import { build as buildPage } from "../packages/trainyard/ui/build.mjs"
import { bundleInto } from "./bundles.mjs"
import {
  BuildError,
  checkImports,
  nameBuiltModules,
  narrowEffectImports,
  pruneDeclarations
} from "./dist.mjs"
import { findNode, root } from "./node.mjs"

/** In the order in which they need each other. */
export const packages = ["core", "backends", "stages", "workers", "trainyard", "create-trainyard"]

/** Packages with the native engine's addon, packed where `npm run build:native` has made it. */
export const nativePackages = () =>
  ["native-linux-x64", "native-linux-arm64", "native-win32-x64"].filter((name) =>
    existsSync(at(name, "trainyard.node"))
  )

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
  stages: ["collect/licenceTexts.br"],
  trainyard: ["against/pytorch.py"]
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

const compile = (name) => {
  rmSync(at(name, "dist"), { recursive: true, force: true })
  run(findNode() ?? process.execPath, [
    join(root, "node_modules/typescript/bin/tsc"),
    // Half the processor time: several threads check much twice.
    "--singleThreaded",
    "-p",
    at(name, "tsconfig.build.json")
  ])
  for (const path of assets[name] ?? [])
    cpSync(at(name, "src", path), at(name, "dist", path), { recursive: true })
}

/** The page of `trainyard ui`, beside the module that serves it. */
const addPage = async () => {
  const folder = await buildPage()
  for (const file of ["app.js", "app.css", "LICENSES.txt"])
    cpSync(join(folder, file), at("trainyard", "dist", "ui", "page", file))
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
  const { devDependencies: _, private: __, publishConfig, ...rest } = manifest
  const { directory: ____, ...config } = publishConfig
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
  return { ...rest, publishConfig: config, exports }
}

/** Dependencies that a package opens without an import that the check sees. */
const opened = { backends: ["node-api-headers"] }

const stage = async (name) => {
  const manifest = publishable(JSON.parse(readFileSync(at(name, "package.json"), "utf8")))
  mkdirSync(staged(name), { recursive: true })
  for (const path of manifest.files) {
    if (existsSync(at(name, path))) cpSync(at(name, path), staged(name, path), { recursive: true })
  }
  for (const path of ["README.md", "CHANGELOG.md"]) {
    if (existsSync(at(name, path))) cpSync(at(name, path), staged(name, path))
  }
  cpSync(join(root, "LICENSE"), staged(name, "LICENSE"))
  nameBuiltModules(staged(name, "dist"))
  narrowEffectImports(staged(name, "dist"))
  pruneDeclarations(staged(name), manifest)
  await bundleInto(name, staged(name), at(name))
  checkImports(staged(name), manifest, opened[name])
  writeFileSync(staged(name, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`)
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

const pack = (names) => {
  const tarballs = join(root, "build", "tarballs")
  mkdirSync(tarballs, { recursive: true })
  run("npm", ["pack", "--silent", "--pack-destination", tarballs, ...names.map((name) => staged(name))])
}

/** Builds all packages; gives the tarballs' folder when they are packed. */
export const build = async ({ tarballs = false } = {}) => {
  rmSync(join(root, "build"), { recursive: true, force: true })
  for (const name of packages) {
    compile(name)
    if (name === "trainyard") await addPage()
    await stage(name)
  }
  for (const name of nativePackages()) stageNative(name)
  if (tarballs) pack([...packages, ...nativePackages()])
}

const asked = process.argv[1]
if (asked !== undefined && import.meta.url === pathToFileURL(asked).href) {
  const tarballs = process.argv.includes("--pack")
  await build({ tarballs }).catch((cause) => {
    if (!(cause instanceof BuildError)) throw cause
    fail(cause.message)
  })
  const made = tarballs ? readdirSync(join(root, "build", "tarballs")) : [...packages, ...nativePackages()]
  process.stdout.write(`Built ${made.join(", ")} in build/${tarballs ? "tarballs" : "packages"}.\n`)
}
