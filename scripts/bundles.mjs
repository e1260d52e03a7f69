/**
 * npm packages whose code ships inside ours, each with its licence. A package belongs here when it brings a large tree of which little is
 * used, or a package with an install script. The packages are development dependencies of the workspace package that imports them.
 */
import { createHash } from "node:crypto"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import { rolldown } from "rolldown"
import { BuildError, importsOf, packageOf, rewriteImports } from "./dist.mjs"
import { root } from "./node.mjs"

/**
 * For each workspace package, groups that are bundled together. `external` stays an import; `absent` lists packages that are replaced by
 * a function that throws, because the code which would call them is never reached; `files` are copied beside the bundle.
 */
const groups = {
  backends: [{ name: "gpu.js", packages: ["gpu.js"], external: [/^(gl|webgpu)$/] }],
  stages: [
    {
      // Installing from folders and git runs scripts, and checking attestations is asked for by nobody: only tarballs are fetched here.
      name: "npm",
      packages: ["pacote", "@npmcli/config", "tar", "rimraf"],
      absent: ["@npmcli/run-script", "sigstore"]
    },
    {
      name: "web-tree-sitter",
      packages: ["web-tree-sitter"],
      files: ["web-tree-sitter/web-tree-sitter.wasm"]
    }
  ],
  trainyard: [{ name: "platform-node", packages: ["@effect/platform-node"], external: [/^effect(\/|$)/] }]
}

/**
 * Files of development dependencies that ship as they are. `from` and `to` are a file or a folder; in `module`, `replace` becomes `by`.
 * esbuild's own start checks that its file is lib/main.js, and looks for the program in a package for the platform.
 */
const copies = {
  core: [
    {
      from: ["esbuild/lib/main.js", "esbuild/LICENSE.md"],
      to: "bundled/esbuild/lib",
      modules: ["cache/Bundler.js"],
      replace: '"esbuild"',
      by: '"../bundled/esbuild/lib/main.js"',
      manifest: { type: "commonjs" }
    }
  ],
  stages: ["c", "python"].map((language) => ({
    from: [`tree-sitter-${language}/tree-sitter-${language}.wasm`],
    to: `languages/${language}`,
    modules: [`languages/${language}/grammar.js`],
    replace: `import.meta.resolve("tree-sitter-${language}/tree-sitter-${language}.wasm")`,
    by: `new URL("./tree-sitter-${language}.wasm", import.meta.url).href`
  }))
}

const modules = join(root, "node_modules")

const folderOf = (id) => {
  const parts = id.split(sep)
  const at = parts.lastIndexOf("node_modules")
  if (at < 0) return undefined
  return parts.slice(0, at + (parts[at + 1].startsWith("@") ? 3 : 2)).join(sep)
}

/** The licence texts of the packages that modules are of. */
export const licences = (ids) => {
  const folders = [...new Set(ids.map(folderOf).filter((folder) => folder !== undefined))].sort()
  const sections = folders.map((folder) => {
    const { author, license, name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file))
    if (license === undefined && files.length === 0) {
      throw new BuildError(`${name} ${version} states no licence, so it cannot be bundled.`)
    }
    const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim())
    const by = typeof author === "string" ? author : author?.name
    const head = `${name} ${version} (${license ?? "see below"})${by === undefined ? "" : `, by ${by}`}`
    return [head, ...texts].join("\n\n")
  })
  return `${sections.join(`\n\n${"-".repeat(80)}\n\n`)}\n`
}

const absentModules = (names = []) => ({
  name: "absent",
  resolveId: (id) => (names.includes(packageOf(id)) ? { id: `\0absent:${id}` } : null),
  load: (id) =>
    id.startsWith("\0absent:")
      ? `module.exports = () => { throw new Error(${JSON.stringify(`${id.slice(8)} is not part of this package`)}) }`
      : null
})

/**
 * A bundle is a package within the package, so that stages' code hashes count it by one number, as they count an installed library by its
 * version, and need not read it. The number is a digest of its files.
 */
const writeManifest = (target, name) => {
  const hash = createHash("sha256")
  for (const file of readdirSync(target).sort())
    hash.update(`${file}\0`).update(readFileSync(join(target, file)))
  const revision = Number.parseInt(hash.digest("hex").slice(0, 12), 16)
  const manifest = { name: `bundled-${name}`, private: true, type: "module", trainyard: { revision } }
  writeFileSync(join(target, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`)
}

const entryName = (specifier) => specifier.replace(/^@/, "").replaceAll("/", "-").replace(/\.js$/, "")

const bundleGroup = async (dist, cwd, { absent, external = [], files = [], name, packages }) => {
  const imported = [...importsOf(dist)]
  const specifiers = new Set(imported.filter((specifier) => packages.includes(packageOf(specifier))))
  for (const expected of packages) {
    if (![...specifiers].some((specifier) => packageOf(specifier) === expected)) {
      throw new BuildError(`Nothing in ${cwd} imports ${expected}: remove it from scripts/bundles.mjs.`)
    }
  }
  const target = join(dist, "bundled", name)
  const unresolved = []
  const bundle = await rolldown({
    input: Object.fromEntries([...specifiers].map((specifier) => [entryName(specifier), specifier])),
    cwd,
    platform: "node",
    external,
    plugins: [absentModules(absent)],
    onLog: (_level, log) => {
      if (log.code === "UNRESOLVED_IMPORT") unresolved.push(log.message)
    }
  })
  const { output } = await bundle.write({
    dir: target,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "shared-[name].js",
    minify: false
  })
  await bundle.close()
  if (unresolved.length > 0) throw new BuildError(`${name} cannot be bundled: ${unresolved.join("; ")}`)
  const ids = output.flatMap((chunk) => (chunk.type === "chunk" ? chunk.moduleIds : []))
  writeFileSync(join(target, "LICENSES.txt"), licences(ids))
  for (const file of files) cpSync(join(modules, file), join(target, file.split("/").at(-1)))
  writeManifest(target, name)
  rewriteImports(dist, (specifier, file) => {
    if (!specifiers.has(specifier)) return undefined
    const path = relative(dirname(file), join(target, `${entryName(specifier)}.js`)).replaceAll(sep, "/")
    return path.startsWith(".") ? path : `./${path}`
  })
}

const copy = (dist, { by, from, manifest, modules: rewritten, replace, to }) => {
  mkdirSync(join(dist, to), { recursive: true })
  for (const file of from) cpSync(join(modules, file), join(dist, to, file.split("/").at(-1)))
  if (manifest !== undefined) writeFileSync(join(dist, to, "package.json"), `${JSON.stringify(manifest)}\n`)
  for (const module of rewritten) {
    const file = join(dist, module)
    const text = existsSync(file) ? readFileSync(file, "utf8") : ""
    if (!text.includes(replace)) {
      throw new BuildError(`${file} no longer contains ${replace}, which scripts/bundles.mjs replaces.`)
    }
    writeFileSync(file, text.replaceAll(replace, by))
  }
}

/** Puts into a package's dist what it ships of other packages; `source` is the folder that finds them. */
export const bundleInto = async (name, staged, source) => {
  const dist = join(staged, "dist")
  for (const each of copies[name] ?? []) copy(dist, each)
  for (const group of groups[name] ?? []) await bundleGroup(dist, source, group)
}
